"""The command line `tracker`.

`up`, `migrate` and `maintain` run the services and maintain their database. `send`, `simulate`, `events`, `top-types` and
others use the services over HTTP, as any client does.
"""

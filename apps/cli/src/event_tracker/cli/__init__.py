"""The command line `tracker`.

`up`, `migrate` and `maintain` look after the services and their database; `send`, `simulate`, `events` and `top-types`
speak HTTP to the services, as any client does.
"""

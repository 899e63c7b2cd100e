"""Web analytics: questions about page views, their sessions and their visitors, as docs/definitions.md defines them ("Page view").

`summary` has the numbers of a site in one answer, with those of the range before; `top` has its pages, sources, countries and so on,
which `dimensions` names. Both read the sessions of page views by `sessions`.
"""

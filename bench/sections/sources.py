"""The cost of a restriction to sources: the same queries over all sources, over two of three, and over one.

Every day has events of all three, each in blocks of its own (docs/adr/0020-columns.md): a restriction picks blocks. 60 % of the
visits are the shop's, 30 % the blog's, 10 % the club's.
"""

from urllib.parse import urlencode

from bench.asking import Asking, over_http
from bench.contest import Line
from bench.sections.analytics import MONTH_DAYS, QUESTIONS
from bench.setup import Setup
from bench.tables import loaded_sources

RESTRICTIONS = {
    "all": [],
    "two of three": ["shop", "blog"],
    "one of three": ["club"],
}

PAGES = {
    "newest 50 of the busiest user": "/events?user_id=user_1&limit=50",
    "newest 50 of another user": "/events?user_id=user_5000&limit=50",
    "newest 50 of everybody": "/events?limit=50",
    "users": "/users?limit=50",
}


def sources(setup: Setup) -> list[Line]:
    """Measure one client's queries. The restrictions run in rotation."""
    database = loaded_sources(setup.postgres, setup.sizes[1])
    asked = [(f"{name}, a page", "GET", path, None) for name, path in PAGES.items()]
    asked += [(f"{q.key}, 30 days", *q.over(MONTH_DAYS)) for q in QUESTIONS]
    contenders: list[Asking] = []
    with setup.services() as services:
        service = services.query(1, database)
        for name, method, path, body in asked:
            for label, chosen in RESTRICTIONS.items():
                more = urlencode({"source": chosen}, doseq=True)
                whole = f"{path}{'&' if '?' in path else '?'}{more}" if more else path
                contenders.append(
                    Asking(
                        over_http(service, method, whole, body), key=f"sources/{name}/{label}", name=f"{name}: {label}",
                        warm_up=setup.terms.warm_up, service=service,
                    )
                )  # fmt: skip
        return setup.compete("Restricted to sources", contenders)


def names() -> list[str]:
    """The names of the queries, as in the keys of their lines."""
    return [f"{name}, a page" for name in PAGES] + [f"{question.key}, 30 days" for question in QUESTIONS]

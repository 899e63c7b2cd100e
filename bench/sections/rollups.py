"""The cost of the tables that an insert updates beside the events: the collector's statement, and the same without each of them."""

from bench.contenders import Direct
from bench.contest import Line
from bench.setup import Setup
from bench.tables import DIRECT, create_ours

STATEMENTS = {
    "store": "the collector's statement",
    "store-no-users": "without users",
    "store-no-rollups": "without users and counts",
}


def rollups(setup: Setup) -> list[Line]:
    """Measure groups of 1,000 events over one connection, without a service."""
    create_ours(setup.postgres, DIRECT)
    contenders = [
        Direct(
            kind, setup.requests.batches, 1, setup.terms.warm_up, setup.terms.seconds,
            key=f"rollup/{kind}", name=name, postgres=setup.postgres, database=DIRECT,
        )
        for kind, name in STATEMENTS.items()
    ]  # fmt: skip
    return setup.compete("What rollups cost the insert, groups of 1,000", contenders)

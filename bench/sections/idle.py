"""An idle collector: one request at a time over one connection, beside the parts that this needs: an INSERT, and a request."""

from bench.contenders import Direct
from bench.contest import Line
from bench.sections.singles import contender
from bench.setup import Setup
from bench.tables import DIRECT, OURS, create_ours


def idle(setup: Setup) -> list[Line]:
    """Measure one request at a time."""
    create_ours(setup.postgres, OURS)
    create_ours(setup.postgres, DIRECT)
    with setup.services() as services:
        requests = setup.requests.singles
        return setup.compete(
            "One event at a time",
            [
                contender(setup, "noop", services.noop(1), 1, requests),
                Direct(
                    "insert", requests, 1, setup.terms.warm_up, setup.terms.seconds,
                    key="single/insert", name="INSERT of one row (psycopg)", postgres=setup.postgres, database=DIRECT,
                ),
                contender(setup, "ours", services.collector(1, OURS), 1, requests),
            ],
        )  # fmt: skip

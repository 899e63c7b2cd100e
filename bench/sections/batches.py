"""Batches of 1,000 events: ours with 1 and 2 processes, beside COPY of the same rows with 1 and 2 connections."""

from bench.contenders import Direct, Storing
from bench.contest import Contender, Line
from bench.events import BATCH_EVENTS
from bench.setup import Setup
from bench.tables import DIRECT, OURS, create_ours

CONNECTIONS = {1: (1, 8, 16), 2: (8, 16)}
"""HTTP connections by collector processes. Each process writes over one connection to PostgreSQL, whatever their number.
Not more than fit its queue: 16 batches are 16,000 events, and one source has half of QUEUE_EVENTS, 20,000."""


def batches(setup: Setup) -> list[Line]:
    """Measure batches."""
    create_ours(setup.postgres, OURS)
    create_ours(setup.postgres, DIRECT)
    terms = setup.terms
    with setup.services() as services:
        contenders: list[Contender] = []
        for processes, many in CONNECTIONS.items():
            service = services.collector(processes, OURS)
            contenders.append(
                Direct(
                    "copy", setup.requests.batches, processes, terms.warm_up, terms.seconds,
                    key=f"batch/copy/{processes}", name="COPY, 1,000 rows a transaction", postgres=setup.postgres, database=DIRECT,
                )
            )  # fmt: skip
            contenders += [
                Storing(
                    service, setup.requests.batches, connections, terms.warm_up, key=f"batch/ours/{processes}/{connections}",
                    postgres=setup.postgres, database=OURS, counted=True, per_request=BATCH_EVENTS,
                )
                for connections in many
            ]  # fmt: skip
        return setup.compete("Batches of 1,000", contenders)

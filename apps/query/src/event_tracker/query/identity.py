"""Whether a user is a person with all their ids, or one id as it was sent (docs/definitions.md#person)."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, get_args

import psycopg

from event_tracker.query.parameter_types import Choice
from event_tracker.query.parameters import ParameterError, invalid_parameters

Identity = Literal["linked", "raw"]
"""Persons, with all ids that are linked to them, or ids as they were sent."""

MAX_IDS = 10_000
"""How many ids a person may have in a question: whoever has a write key can link ids without end."""

TOO_MANY_IDS = f"This person has more than {MAX_IDS:,} ids. With `identity=raw` the question is about this id alone."


def identity_field() -> Choice:
    """The parameter `identity`."""
    description = "Whether the user is a person, with all ids that are linked to them, or the id as it was sent."
    return Choice(get_args(Identity), "linked", description)


@contextmanager
def limited_ids() -> Iterator[None]:
    """Refuse a person with more than MAX_IDS ids.

    Raises:
        Problem: 422 if `person_ids` found too many.
    """
    try:
        yield
    except psycopg.errors.ProgramLimitExceeded:
        raise invalid_parameters([ParameterError("user_id", "too_many_ids", TOO_MANY_IDS)]) from None

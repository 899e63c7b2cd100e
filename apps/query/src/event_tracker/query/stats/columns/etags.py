"""Entity tags of the engine's answers (RFC 9110, section 8.8.3)."""

from datetime import datetime
from hashlib import blake2b
from importlib import metadata
from typing import Any

import msgspec

from event_tracker.query.stats.columns.behaviours import SessionRule

RELEASE = metadata.version("event-tracker-query")


def make_etag(question: Any, sessions: SessionRule, as_of: datetime, fingerprint: bytes) -> str:
    """The entity tag of a question's answer: it changes with the fingerprint of the events, with what is asked, with what sessions are (a
    filter may be about them), when an interval has ended since, which answers may say, and with the release."""
    ended = sum(moment <= as_of for moment in (*getattr(question, "starts", ()), question.end))
    asked = msgspec.json.encode((RELEASE, question.name, question, sessions, ended), enc_hook=str)
    return blake2b(asked, digest_size=16, key=fingerprint).hexdigest()

"""The record that carries a refused event through Kafka: collectors write it when their events go through Kafka, the storer keeps it."""

from collections.abc import Iterable
from datetime import UTC

import msgspec

from event_tracker.model.storing.keep_rejections import NewRejection
from event_tracker.model.storing.record import VERSION, Header, Record, UnreadableRecordError, require_version

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode

TYPES = NewRejection.__annotations__


def make_rejection_record(rejection: NewRejection) -> Record:
    """Make the record of a refused event. Its value is a JSON object of all fields, the payload in Base64; the key is the source."""
    return Record(rejection.source.encode(), _encode(rejection._asdict()), [("v", VERSION)])


def read_rejection_record(value: bytes | None, headers: Iterable[Header] | None) -> NewRejection:
    """Read the refused event from a record's value and headers.

    Raises:
        UnreadableRecordError: if it isn't such a record.
    """
    require_version(headers)
    if value is None:
        raise UnreadableRecordError("The record has no value.")
    try:
        fields = _decode(value)
        if fields.keys() != TYPES.keys():
            raise UnreadableRecordError(f"The value isn't a refused event: it must have {', '.join(TYPES)}.")
        read = NewRejection(**{name: msgspec.json.decode(fields[name], type=kind) for name, kind in TYPES.items()})
        return read._replace(received_at=read.received_at.astimezone(UTC))
    except (msgspec.DecodeError, UnicodeDecodeError, OverflowError, ValueError) as error:
        raise UnreadableRecordError(f"The value isn't a refused event: {error}.") from None
    except RecursionError:
        raise UnreadableRecordError("The value isn't a refused event: it is nested too deep.") from None

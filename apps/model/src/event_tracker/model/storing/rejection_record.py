"""The record that carries a refused event through Kafka: collectors write it when their events go through Kafka, the storer keeps it."""

from collections.abc import Iterable
from datetime import UTC

import msgspec

from event_tracker.model.storing.keep_rejections import MAX_CLIENT, NewRejection, storable_text
from event_tracker.model.storing.record import VERSION, Header, Record, UnreadableRecordError, require_version

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode

TYPES = {name: kind for name, kind in NewRejection.__annotations__.items() if name != "client"}
"""The fields of a record's value. Which program sent the event is in a header: storers of the release before refuse other fields."""


def make_rejection_record(rejection: NewRejection) -> Record:
    """Make the record of a refused event. Its value is a JSON object of the fields, the payload in Base64; the key is the source. The
    header `client` is the program that sent it, if that is known."""
    headers: list[Header] = [("v", VERSION)]
    if rejection.client is not None:
        headers.append(("client", rejection.client))
    return Record(rejection.source.encode(), _encode({name: getattr(rejection, name) for name in TYPES}), headers)


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
        client = dict(headers or ()).get("client")
        text = client.decode() if isinstance(client, bytes) else client
        return read._replace(received_at=read.received_at.astimezone(UTC), client=storable_text(text, MAX_CLIENT))
    except (msgspec.DecodeError, UnicodeDecodeError, OverflowError, ValueError) as error:
        raise UnreadableRecordError(f"The value isn't a refused event: {error}.") from None
    except RecursionError:
        raise UnreadableRecordError("The value isn't a refused event: it is nested too deep.") from None

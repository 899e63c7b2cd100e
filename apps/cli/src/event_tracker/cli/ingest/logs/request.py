"""A request, as a line of a log has it."""

from datetime import datetime
from typing import NamedTuple


class Request(NamedTuple):
    """One request, whatever the format of its log. What a line doesn't have is None.

    Texts are decoded: escapes of the log's format are resolved, but a path and a query are as they were sent (percent-encoded).

    Attributes:
        time: with a time zone, in whole seconds or finer, as the line has it. A leap second is second 59.
        address: of the client: without a port, and behind trusted proxies the one they name.
        user: the name that HTTP authentication gave.
        host: the site's name: lower case, without a port.
        path: begins with `/`, without the query.
        query: without the question mark.
        status: 0 if the client left before an answer.
        bytes: sent to the client.
        seconds: from the first byte received to the last one sent.
        request_id: the server's own name for the request, which is the same however often and in whatever format it is logged.
        country: ISO 3166-1 alpha-2, if the log has it.
        edge_location, edge_result: of a content delivery network: where it answered (an IATA code and a number), and from what (such as
            `Hit`, `Miss`, `Error`).
        malformed: the request line, if it isn't one of HTTP (noise of TLS, for example); then there is no method and no path.
    """

    time: datetime
    address: str | None
    method: str | None = None
    path: str | None = None
    query: str | None = None
    host: str | None = None
    status: int | None = None
    bytes: int | None = None
    seconds: float | None = None
    content_type: str | None = None
    referrer: str | None = None
    user_agent: str | None = None
    user: str | None = None
    request_id: str | None = None
    country: str | None = None
    edge_location: str | None = None
    edge_result: str | None = None
    malformed: str | None = None

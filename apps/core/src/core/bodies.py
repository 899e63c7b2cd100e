"""A request's body off the wire, within a size and a time."""

from typing import TYPE_CHECKING

import gevent

from core.problems import Problem

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


def read_body(environ: "WSGIEnvironment", max_bytes: int, seconds: float) -> bytes:
    """Read the body, as it was sent.

    Raises:
        Problem: 400 if it breaks off, 408 if it is slow, 413 if it is large.
        gunicorn.http.errors.ParseException: if it isn't chunked as HTTP/1.1 wants it.
    """
    length = environ.get("CONTENT_LENGTH")
    if length and int(length) > max_bytes:
        raise too_large(max_bytes)
    slow = gevent.Timeout.start_new(seconds)
    try:
        raw: bytes = environ["wsgi.input"].read(max_bytes + 1)
    except gevent.Timeout as timeout:
        if timeout is not slow:
            raise
        raise Problem(408, "slow_body", f"The body did not arrive within {seconds:g} s.") from None
    except OSError:  # gunicorn's NoMoreData is one, too
        raise Problem(400, "incomplete_body", "The body broke off.") from None
    finally:
        slow.close()
    if len(raw) > max_bytes:
        raise too_large(max_bytes)
    if length and len(raw) < int(length):
        raise Problem(400, "incomplete_body", f"The body broke off: {len(raw)} of {length} bytes arrived.")
    return raw


def too_large(max_bytes: int) -> Problem:
    """What answers a body of more bytes."""
    return Problem(413, "body_too_large", f"A request's body may have {max_bytes} bytes, decompressed.")

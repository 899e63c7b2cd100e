"""What reads the lines of a log's file. Each format has a class of its own, in a module of its own."""

from event_tracker.cli.ingest.logs.request import Request


class LogParser:
    """Reads the lines of one file.

    Args:
        trusted_hops: how many of a request's addresses, counted from the right, are of trusted proxies.
    """

    def __init__(self, trusted_hops: int = 0) -> None:
        self.trusted_hops = trusted_hops

    def __call__(self, line: bytes) -> Request | None:
        """Read a line. None if it isn't of a request.

        Raises:
            LineError: if it isn't one of this format.
        """
        raise NotImplementedError

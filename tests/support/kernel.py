"""What the kernel keeps for connections."""

from pathlib import Path
from urllib.parse import urlsplit


def bytes_unread(url: str) -> int:
    """Bytes that a service has sent and that no client has read yet; also for connections that the service has closed."""
    port = f":{urlsplit(url).port:04X}"
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    # The machine may have tens of thousands of them.
    sockets = [line.split() for line in lines if f"{port} " in line]
    return sum(int(one[4].split(":")[0], 16) for one in sockets if one[1].endswith(port))

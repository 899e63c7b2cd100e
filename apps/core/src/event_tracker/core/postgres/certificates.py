"""Writes certificates to a file for libpq, which takes a path only."""

import hashlib
import os
from pathlib import Path
from tempfile import NamedTemporaryFile, gettempdir


def write_certificates(pem: str) -> Path:
    """Write certificates in PEM to the system's temporary folder. The name tells the content: each start and each process uses one file.

    It is written again each time and put in place whole. Where somebody else has put a file of this name, that fails.

    Raises:
        ValueError: if it can't be written.
    """
    digest = hashlib.sha256(pem.encode()).hexdigest()[:20]
    path = Path(gettempdir()) / f"event-tracker-{os.getuid()}-{digest}.pem"
    try:
        with NamedTemporaryFile("w", dir=path.parent, prefix=path.name, delete=False) as file:
            file.write(pem)
        Path(file.name).replace(path)
    except OSError as error:
        raise ValueError(f"The certificates can't be written to {path}: {error.strerror}.") from None
    return path

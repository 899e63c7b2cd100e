"""Secrets that `tracker up` makes for itself and keeps in the data folder, each readable by its owner only."""

import os
from collections.abc import Callable
from pathlib import Path


def load_or_create_secret(path: Path, make: Callable[[], str]) -> str:
    """The secret in this file; made if there is none. The caller holds the folder's lock, so nobody else makes one."""
    try:
        return path.read_text()
    except FileNotFoundError:
        secret = make()
    unfinished = path.with_name(f"{path.name}.new")
    unfinished.unlink(missing_ok=True)
    # Private from its first moment on, and whole or not at all.
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secret)
    unfinished.rename(path)
    return secret


def make_signing_key() -> str:
    """An Ed25519 private key in PEM (PKCS #8)."""
    # It comes with the query service; commands that start none do without.
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

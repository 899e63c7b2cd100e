"""Secrets that `tracker up` makes for itself. Each is a file in the data folder that only its owner can read."""

import os
from collections.abc import Callable
from pathlib import Path


def load_or_create_secret(path: Path, make: Callable[[], str]) -> str:
    """Read the secret in this file, or create it. The caller holds the folder's lock, so no other process creates it."""
    try:
        return path.read_text()
    except FileNotFoundError:
        secret = make()
    unfinished = path.with_name(f"{path.name}.new")
    unfinished.unlink(missing_ok=True)
    # The file is private from the start, and either complete or missing.
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secret)
    unfinished.rename(path)
    return secret


def make_signing_key() -> str:
    """Make an Ed25519 private key in PEM (PKCS #8)."""
    # cryptography comes with the query service. Commands that start no services don't need it.
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

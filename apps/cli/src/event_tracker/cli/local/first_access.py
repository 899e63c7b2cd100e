"""Access to the services of `tracker up`: an admin with a password for one sign-in, and a token in a file for the
commands that manage. With AUTH=required also a write key in a file."""

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from event_tracker.cli.database.admins import LOCAL_ADMIN, offer_sign_in
from event_tracker.cli.database.bootstrap import SCOPES, InvalidKeyError, register_token, register_write_key
from event_tracker.cli.database.connection import database_connection
from event_tracker.cli.local.running import KEY_FILE, TOKEN_FILE
from event_tracker.cli.local.secret_files import load_or_create_secret
from event_tracker.core.secrets.keys import make_key

SOURCE = "default"
"""The source for which a write key is made."""

ONE_TIME = (
    "as {name}, once, with the password {password}  (within a day; set your own then; the next start makes another)"
)
OWN_PASSWORD = "as {name}, with the password that you have set"  # noqa: S105


class Access(NamedTuple):
    """How to use the services, for the introduction that `tracker up` prints.

    Attributes:
        sign_in: how a person signs in.
        write_key: the key for the simulated traffic; None if none is required.
        send_options, query_options: options for curl, each followed by a space, or empty.
    """

    sign_in: str
    write_key: str | None
    send_options: str
    query_options: str


def prepare_access(owner_url: str, data: Path, *, required: bool, may_ask_in_sql: bool) -> Access:
    """Make the password, the token and, if required, the write key.

    Token and key are in files in the data folder, so that no terminal shows them.

    Args:
        may_ask_in_sql: whether a token that is made now has the scope `sql`, too.
    """
    scopes = [*SCOPES["ADMIN_TOKEN"], *(["sql"] if may_ask_in_sql else [])]
    with database_connection(owner_url) as connection:
        password = offer_sign_in(connection)
        sign_in = (ONE_TIME if password else OWN_PASSWORD).format(name=LOCAL_ADMIN, password=password)
        key_file, token_file = data / KEY_FILE, data / TOKEN_FILE
        _load_or_create_key(token_file, "rt", lambda token: register_token(connection, "tracker up", token, scopes))
        if not required:
            return Access(sign_in, None, "", "")
        write_key = _load_or_create_key(key_file, "wk", lambda key: register_write_key(connection, SOURCE, key))
    send_options = f'-H "X-Write-Key: $(cat {shlex.quote(str(key_file))})" '
    query_options = f'-H "Authorization: Bearer $(cat {shlex.quote(str(token_file))})" '
    return Access(sign_in, write_key, send_options, query_options)


def _load_or_create_key(path: Path, kind: str, admit: Callable[[str], str]) -> str:
    """Register the key in this file. If it was revoked, replace it by a new one."""
    key = load_or_create_secret(path, lambda: make_key(kind).key)
    try:
        admit(key)
    except InvalidKeyError:
        path.unlink()
        key = load_or_create_secret(path, lambda: make_key(kind).key)
        admit(key)
    return key

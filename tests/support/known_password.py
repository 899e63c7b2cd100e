"""A password, and its hash. Making one takes much longer than importing a module of tests, so they share it."""

from event_tracker.core.secrets.passwords import hash_password

PASSWORD = "correct horse battery"
PASSWORD_HASH = hash_password(PASSWORD)

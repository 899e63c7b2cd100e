"""Passwords: what is verified for a person who has none."""

from argon2 import extract_parameters

from event_tracker.core.secrets.passwords import DUMMY_HASH, hash_password, is_password


def test_where_there_is_no_password_as_much_is_computed_and_none_is_right():
    assert extract_parameters(DUMMY_HASH) == extract_parameters(hash_password("a long password"))
    assert not is_password("a long password", None)
    assert not is_password("", DUMMY_HASH)

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_tracker.core.postgres.unstorable import count_unstorable, replace_unstorable

PIECES = st.sampled_from(
    [r"\u0000", r"\ud83d", r"\ude00", r"\uD83D\uDE00", r"\uDBFF", r"\udFFF", "\\\\", r"\"", r"\u00e9", r"\ufffd", "é", "😀", *"u0d8f"]
)  # fmt: skip


@given(st.lists(PIECES, max_size=12).map("".join))
def test_exactly_what_cannot_be_stored_is_replaced(text):
    sent = f'{{"{text}": "{text}"}}'.encode()
    replaced = replace_unstorable(sent)
    ((name, value),) = json.loads(sent).items()
    expected = "".join(
        "\ufffd" if character == "\0" or "\ud800" <= character <= "\udfff" else character for character in value
    )
    assert json.loads(replaced) == {expected: expected}
    assert len(replaced) == len(sent)
    assert count_unstorable(name) == expected.count("\ufffd") - name.count("\ufffd")


@pytest.mark.parametrize("text", [b"", b"\\", b"\\u", b"\\u000", b"\\ud83", b"NaN"])
def test_what_is_no_json_stays_as_it_is(text):
    assert replace_unstorable(text) == text

"""A few seconds of what `make fuzz` does for minutes, without atheris."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seeds import SEEDS, WORDS
from targets import TARGETS

PIECES = st.one_of(st.sampled_from(WORDS), st.sampled_from(WORDS), st.binary(max_size=4))


@st.composite
def inputs(draw, seeds):
    """A seed with pieces put in, taken out or put instead, or pieces alone."""
    data = draw(st.sampled_from([*seeds, b""]))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 8)))
        data = data[:start] + draw(PIECES) + data[end:]
    return data


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_keep_the_promise(name):
    for seed in SEEDS[name]:
        TARGETS[name](seed)


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_near_the_seeds_keeps_the_promise(name):
    @settings(max_examples=400, deadline=None)
    @given(inputs(SEEDS[name]))
    def keeps(data):
        TARGETS[name](data)

    keeps()

"""Background loops go on whatever happens, and report once that something is wrong."""

import gevent
import pytest
from gevent.event import Event

from event_tracker.core.background import BackgroundLoop


@pytest.fixture
def run():
    """A function that runs a loop over these outcomes, errors to be raised or None, and returns the errors that it reports."""
    loops = []

    def run(*outcomes):
        remaining = list(outcomes)
        done = Event()
        reported = []

        def work():
            if not remaining:
                done.set()
            elif outcome := remaining.pop(0):
                raise outcome

        loops.append(BackgroundLoop(work, 0.001, reported.append))
        assert done.wait(30)
        return reported

    yield run
    for loop in loops:
        loop.close()


def test_a_failing_loop_goes_on_and_reports_the_first_error_of_a_row(run):
    first, second, third = ValueError("first"), OSError("second"), ValueError("third")
    assert run(None, first, second, None, third) == [first, third]


def test_a_loop_works_at_once_and_ends_when_it_is_closed():
    calls = []
    loop = BackgroundLoop(lambda: calls.append(1), 1000, calls.append)
    gevent.sleep(0)
    assert calls == [1]
    loop.close()
    assert loop._greenlet.dead

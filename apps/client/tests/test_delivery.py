"""What the client makes of answers, beyond the contract (test_contract.py)."""

import logging
import threading

import pytest
from ports import free_port

from event_tracker.client import delivery
from event_tracker.client.collector import Collector, NoAnswer, RefusedRequest, SettledAnswer, understand
from event_tracker.client.retry import MAX_RETRY_AFTER_SECONDS, backoff, retry_after


def test_what_became_of_events_is_counted(simulate, make_client):
    collector = simulate(refuse=[1], answers=[{"status": 503}])
    client = make_client(collector, interval_seconds=60)
    for number in range(3):
        client.track("ann", "x", {"n": number})
    assert client.flush(30)
    assert client.stats == delivery.Stats(queued=0, delivered=2, refused=1, dropped=0, retried=1)
    (undelivered,) = client.undelivered
    assert (undelivered.event["properties"], undelivered.code, undelivered.status) == ({"n": 1}, "length", 207)
    assert undelivered.errors[0]["pointer"] == "/event_type"


def test_events_of_one_interval_go_together(simulate, make_client):
    collector = simulate()
    client = make_client(collector, interval_seconds=60)
    for number in range(1500):
        client.track("ann", "x", {"n": number})
    client.flush(30)
    assert [len(request.events) for request in collector.requests] == [1000, 500]


def test_the_interval_ends_by_itself(simulate, make_client):
    collector = simulate(refuse=[0])
    reported = threading.Event()
    client = make_client(collector, on_error=lambda undelivered: reported.set())
    client.track("ann", "x", {"n": 0})
    assert reported.wait(60)


def test_a_full_batch_does_not_wait_for_the_interval(simulate, make_client):
    collector = simulate(refuse=[0])
    reported = threading.Event()
    client = make_client(collector, interval_seconds=600, on_error=lambda undelivered: reported.set())
    for number in range(1000):
        client.track("ann", "x", {"n": number})
    assert reported.wait(60)


@pytest.mark.parametrize(
    ("status", "headers", "body", "expected"),
    [
        (200, {}, b'{"received": 2}', SettledAnswer(200, {})),
        (202, {}, b'{"received": 2}', SettledAnswer(202, {})),
        (200, {}, b'{"received": 1}', NoAnswer("the 200 isn't a collector's answer to these events")),
        (200, {}, b"<html>Welcome", NoAnswer("the 200 isn't a collector's answer to these events")),
        (204, {}, b"", NoAnswer("the 204 isn't a collector's answer to these events")),
        (200, {}, b"[" * 100_000, NoAnswer("the 200 isn't a collector's answer to these events")),
        (207, {}, b'{"received": 2, "errors": [{"index": 7}, {"index": true}, 3, {}]}', SettledAnswer(207, {1: [{"index": True, "pointer": ""}]})),
        (207, {}, b'{"received": 2, "errors": "none"}', SettledAnswer(207, {})),
        (302, {"Location": "https://b"}, b"", RefusedRequest(302, "redirected", "The collector is at https://b: use that one.")),
        (401, {}, b'{"code": "invalid_key", "detail": "No."}', RefusedRequest(401, "invalid_key", "No.")),
        (404, {}, b"", RefusedRequest(404, "404", "The server answers 404; is that a collector?")),
        (422, {}, b'{"code": "x", "detail": "y"}', RefusedRequest(422, "x", "y")),
        (503, {"RETRY-AFTER": "7"}, b"", NoAnswer("it answers 503", 7)),
    ],
)  # fmt: skip
def test_an_answer_means(status, headers, body, expected):
    assert understand(status, headers, body, 2) == expected


@pytest.mark.parametrize(
    ("header", "seconds"), [(None, 0), ("", 0), ("2", 2), ("-2", 0), ("2.5", 0), ("²", 0), ("soon", 0), ("Sun, 06 Nov 1994 08:49:37 GMT", 0), ("9" * 400, MAX_RETRY_AFTER_SECONDS), ("Fri, 31 Dec 9999 23:59:59 GMT", MAX_RETRY_AFTER_SECONDS)]
)  # fmt: skip
def test_a_retry_after_is(header, seconds):
    assert retry_after(header) == seconds


def test_waits_double_up_to_half_a_minute():
    for attempt, longest in ((0, 0.5), (3, 4), (6, 30), (10_000, 30)):
        waits = [backoff(attempt) for _ in range(50)]
        assert longest / 2 <= min(waits) < max(waits) <= longest


def test_what_isnt_answered_for_when_it_is_closed_is_reported(make_client):
    client = make_client(f"http://127.0.0.1:{free_port()}")
    ids = [client.track("ann", "x") for _ in range(3)]
    assert not client.close(timeout_seconds=0.1)
    assert [undelivered.event["event_id"] for undelivered in client.undelivered] == ids
    assert {undelivered.code for undelivered in client.undelivered} == {"closed"}
    assert (client.stats.queued, client.stats.dropped) == (0, 3)
    client.track("ann", "late")
    assert client.undelivered[-1].detail == "The client is closed."


def test_a_block_closes_it(simulate, make_client):
    collector = simulate()
    with make_client(collector, interval_seconds=60) as client:
        client.track("ann", "x", {"n": 0})
    assert list(collector.stored) == [0]
    assert client.close()


@pytest.mark.parametrize("error", [ZeroDivisionError, SystemExit, KeyboardInterrupt])
def test_on_error_may_fail(error, simulate, make_client, caplog):
    def fail(_):
        raise error

    collector = simulate(refuse=[0, 1])
    client = make_client(collector, on_error=fail, interval_seconds=60)
    client.track("ann", "x", {"n": 0})
    client.track("ann", "x", {"n": 1})
    assert client.flush(30)
    client.track("ann", "x", {"n": 2})
    assert client.flush(30)
    assert list(collector.stored) == [2]
    assert caplog.text.count("on_error failed") == 2


def test_what_ends_the_program_isnt_held_back_in_its_own_thread(make_client):
    """A signal's exception may be raised while on_error runs in the thread that tracks."""

    def interrupt(_):
        raise KeyboardInterrupt

    client = make_client(
        f"http://127.0.0.1:{free_port()}", on_error=interrupt, max_queued_events=1, interval_seconds=60
    )
    client.track("ann", "x")
    with pytest.raises(KeyboardInterrupt):
        client.track("ann", "x")
    with pytest.raises(KeyboardInterrupt):
        client.close(0)
    assert client.stats == delivery.Stats(queued=0, delivered=0, refused=0, dropped=2, retried=0)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("resume", ["track", "flush", "close"])
def test_a_thread_that_was_ended_is_started_again(resume, simulate, make_client, monkeypatch):
    ended = threading.Event()
    post = Collector.post

    def end_once(collector, lines):
        if not ended.is_set():
            ended.set()
            raise SystemExit
        return post(collector, lines)

    monkeypatch.setattr(Collector, "post", end_once)
    collector = simulate()
    client = make_client(collector)
    client.track("ann", "x", {"n": 0})
    assert ended.wait(60)
    client._delivery._thread.join(60)
    if resume == "track":
        client.track("ann", "x", {"n": 1})
        assert client._delivery._thread.is_alive()
    assert client.flush(30) if resume != "close" else client.close(30)
    assert 0 in collector.stored
    assert client.stats.queued == 0


def test_without_on_error_it_warns_and_not_for_each_event(make_client, caplog):
    client = make_client(f"http://127.0.0.1:{free_port()}", on_error=None, max_queued_events=1)
    for _ in range(50):
        client.track("ann", "x")
    warnings = [record.getMessage() for record in caplog.records if "won't be delivered" in record.getMessage()]
    assert warnings == [
        "1 events won't be delivered; the last one for this reason: 1 events wait already; 1 are allowed. (queue_full)"
    ]


def test_a_fault_of_its_own_ends_nothing(simulate, make_client, monkeypatch, caplog):
    collector = simulate()
    client = make_client(collector)
    monkeypatch.setattr(delivery, "SECONDS_AFTER_A_FAULT", 0)
    faults = [RuntimeError("a fault")]
    post = Collector.post

    def fail_once(collector, lines):
        if faults:
            raise faults.pop()
        return post(collector, lines)

    monkeypatch.setattr(Collector, "post", fail_once)
    with caplog.at_level(logging.ERROR):
        client.track("ann", "x", {"n": 0})
        assert client.flush(30)
    assert list(collector.stored) == [0]
    assert "a fault" in caplog.text


class NoThread:
    """What starts no thread, as Python does once it is ending."""

    def __init__(self, **_):
        pass

    def start(self):
        raise RuntimeError("can't create new thread at interpreter shutdown")


def test_where_no_thread_can_start_closing_sends(simulate, make_client, monkeypatch):
    collector = simulate(answers=[{"status": 503}])
    client = make_client(collector)
    monkeypatch.setattr(delivery, "Thread", NoThread)
    client.track("ann", "x", {"n": 0})
    assert client.close(30)
    assert list(collector.stored) == [0]


def test_nor_does_it_wait_longer_than_it_may(make_client, monkeypatch):
    client = make_client(f"http://127.0.0.1:{free_port()}")
    monkeypatch.setattr(delivery, "Thread", NoThread)
    client.track("ann", "x", {"n": 0})
    assert not client.close(0.1)
    assert client.stats.dropped == 1

"""A batch of records on its way to a collector, whose answers are written down here."""

import gzip
import json
import time

import pytest

from event_tracker.streams.importer import metrics
from event_tracker.streams.importer.collector import Collector, CollectorRefusedError, CollectorUnavailableError
from event_tracker.streams.importer.importer import Importer
from event_tracker.streams.importer.mapping import make_mapping

MAPPING = make_mapping({"user_id": "user", "event_type": {"constant": "order"}})


def answer(status=200, headers=None, **content):
    return status, headers or {}, json.dumps(content).encode()


def problem(status, code, detail="So it is.", **content):
    return answer(status, type=f"/errors/{code}", code=code, detail=detail, **content)


@pytest.fixture
def count():
    """A function that says how many records had an outcome since the test began."""
    before = {}

    def read(outcome):
        return metrics.RECORDS.labels(outcome)._value.get()

    for name in ("stored", "duplicate", "accepted", "expired", "refused", "unreadable", "tombstone"):
        before[name] = read(name)
    return lambda outcome: read(outcome) - before[outcome]


def sent(server):
    """The events of each request."""
    return [[json.loads(line) for line in gzip.decompress(body).splitlines()] for _, _, _, body in server.asked]


def make_importer(server):
    return Importer(MAPPING, Collector(server.url, "wk_key"))


def test_a_batch_is_one_request(scripted, record, count):
    server = scripted(answer(received=3, stored=1, duplicates=1, accepted=1, rejected=0))
    make_importer(server).store([record(b'{"user": "%d"}' % number, number) for number in range(3)] + [record(None, 3)])
    ((_, path, headers, _),) = server.asked
    assert (path, headers["X-Write-Key"]) == ("/events", "wk_key")
    assert [event["user_id"] for event in sent(server)[0]] == ["0", "1", "2"]
    assert [count(name) for name in ("stored", "duplicate", "accepted", "tombstone")] == [1, 1, 1, 1]


def test_tombstones_alone_are_no_request(scripted, record):
    server = scripted(answer())
    make_importer(server).store([record(None)])
    assert server.asked == []


@pytest.mark.parametrize("status", [207, 422])
def test_refused_events_are_counted_and_the_batch_is_done(scripted, record, count, status):
    errors = [
        {"index": 0, "pointer": "/0/user_id", "code": "required", "detail": "Is missing."},
        {"index": 1, "pointer": "/1/unreadable_record", "code": "unknown_field", "detail": "Is not a field."},
    ]
    server = scripted(problem(422, "invalid_events", errors=errors) if status == 422 else answer(207, errors=errors))
    make_importer(server).store([record(b"{}"), record(b"x", 1)])
    assert [count(name) for name in ("stored", "refused", "unreadable")] == [0, 1, 1]
    assert sent(server)[0][1]["unreadable_record"]["offset"] == 1


def test_what_is_too_large_is_halved_and_in_the_end_only_named(scripted, record, count):
    large = problem(413, "body_too_large")
    refusal = problem(422, "invalid_events", errors=[{"index": 0, "pointer": "/0", "code": "x", "detail": ""}])
    server = scripted(large, answer(stored=1), large, refusal)
    make_importer(server).store([record(b'{"user": "1"}'), record(b'{"user": "2"}', 1)])
    assert [len(events) for events in sent(server)] == [2, 1, 1, 1]
    assert sent(server)[3][0]["unreadable_record"]["offset"] == 1
    assert (count("stored"), count("unreadable")) == (1, 1)


def test_a_collector_that_takes_nothing_at_all_does_not_hold_a_partition(scripted, record, count):
    make_importer(scripted(problem(413, "body_too_large"))).store([record(b'{"user": "1"}')])
    assert count("unreadable") == 1


@pytest.mark.parametrize("status", [408, 429, 500, 503, 0])
def test_what_may_pass_is_to_be_sent_again(scripted, record, status, count):
    server = scripted((status, {}, b""), answer(stored=1))
    importer = make_importer(server)
    batch = [record(b'{"user": "1"}')]
    with pytest.raises(CollectorUnavailableError):
        importer.store(batch)
    importer._collector._not_before = 0.0
    importer.store(batch)
    assert sent(server)[0] == sent(server)[1]
    assert count("stored") == 1


def test_the_time_it_asks_to_wait_for_is_waited_for_without_a_request(scripted, record):
    server = scripted(answer(429, {"Retry-After": "100"}), answer(stored=1))
    importer = make_importer(server)
    for _ in range(3):
        with pytest.raises(CollectorUnavailableError):
            importer.store([record(b'{"user": "1"}')])
    assert len(server.asked) == 1
    assert importer._collector._not_before >= time.monotonic() + 90


@pytest.mark.parametrize(
    "given",
    [
        problem(401, "invalid_key"), problem(403, "forbidden"), problem(404, "not_found"), (404, {}, b"<html>"),
        (301, {"Location": "https://elsewhere"}, b""), problem(415, "unsupported_media_type"),
    ],
)  # fmt: skip
def test_a_refused_request_is_for_a_person(scripted, record, given):
    server = scripted(given)
    with pytest.raises(CollectorRefusedError, match=f"The collector answers {given[0]}"):
        make_importer(server).store([record(b'{"user": "1"}')])
    assert len(server.asked) == 1


def test_an_answer_of_another_server_is_no_receipt(scripted, record):
    with pytest.raises(CollectorUnavailableError):
        make_importer(scripted((200, {}, b"<html>"))).store([record(b'{"user": "1"}')])
    for given in (answer(), answer(stored=2), problem(422, "invalid_events", errors=[])):
        with pytest.raises(CollectorRefusedError, match="COLLECTOR_URL"):
            make_importer(scripted(given)).store([record(b'{"user": "1"}')])

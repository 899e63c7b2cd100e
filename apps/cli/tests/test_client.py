"""The HTTP client, against a server with scripted answers."""

import gzip
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import click
import pytest
from ports import free_port
from scripted import Answer

from event_tracker.cli.client import Client
from event_tracker.cli.errors import RefusedError, ServiceError, UnavailableError
from event_tracker.cli.ingest.delivery import deliver
from event_tracker.core.retry import PATIENCE_SECONDS, backoff, is_temporary, retry_after


def post(url: str, patience: float = 10) -> bytes:
    with Client("collector", url, patience) as client:
        return client.post("/events", b"[]", "application/json", {})


OK: Answer = (200, {}, b"{}")


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_may_pass_is_sent_again_under_the_same_request_id(scripted, status):
    server = scripted((status, {}, b""), OK)
    assert post(server.url) == b"{}"
    first, second = (headers["X-Request-ID"] for _, _, headers, _ in server.asked)
    assert first == second


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 415, 422])
def test_another_4xx_is_not_sent_again(scripted, status):
    server = scripted((status, {}, b""))
    with pytest.raises(RefusedError) as refused:
        post(server.url)
    assert refused.value.status == status
    assert [path for _, path, *_ in server.asked if path != "/version"] == ["/events"]


def test_silence_is_answered_by_sending_again(scripted):
    server = scripted(OK, (0, {}, b""), OK)
    with Client("collector", server.url, 10) as client:
        client.get("/", {})
        assert client.get("/", {}) == b"{}"
    assert len(server.asked) == 3


def test_retry_after_is_the_least_wait(scripted):
    server = scripted((503, {"Retry-After": "1"}, b""), OK)
    post(server.url)
    first, second = (when for when, *_ in server.asked)
    assert second - first >= 1


def test_it_does_not_wait_beyond_its_patience(scripted):
    server = scripted((503, {"Retry-After": "600"}, b'{"detail": "The queue is full."}'))
    began = time.monotonic()
    with pytest.raises(
        UnavailableError, match=r"answers 503: The queue is full. Tried for 0.5 s; request id [0-9a-f]{16}"
    ):
        post(server.url, patience=0.5)
    assert time.monotonic() - began < 60
    assert len(server.asked) == 1


def test_bodies_are_compressed(scripted):
    server = scripted(OK)
    post(server.url)
    ((_, _, headers, body),) = server.asked
    assert headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(body) == b"[]"


def test_a_problem_is_told_in_sentences(scripted):
    problem = b'{"detail": "Two are wrong.", "errors": [{"pointer": "/0/user_id", "detail": "Is missing."}, {"parameter": "limit", "detail": "Too many."}]}'
    with pytest.raises(RefusedError) as refused:
        post(scripted((422, {}, problem)).url)
    assert (
        refused.value.message
        == "The collector answers 422: Two are wrong.\n  /0/user_id: Is missing.\n  limit: Too many."
    )


def test_another_web_server_is_told_from_a_service(scripted):
    url = scripted((404, {}, b"<html>")).url
    with pytest.raises(RefusedError, match=f"404: without saying why; is {url} a collector"):
        post(url)


def test_another_service_of_ours_is_named_and_where_to_say_which(scripted):
    url = scripted((405, {}, b'{"detail": "Not here."}'), (200, {}, b'{"service": "query", "version": "1"}')).url
    with pytest.raises(RefusedError) as refused:
        post(url)
    assert (
        refused.value.message
        == f"What answers at {url} is the query service: name the collector by --collector or COLLECTOR_URL."
    )
    assert refused.value.status == 405


def test_a_path_that_the_right_service_doesnt_have_is_told_as_it_is(scripted):
    url = scripted((404, {}, b'{"detail": "No such thing."}'), (200, {}, b'{"service": "collector"}')).url
    with pytest.raises(RefusedError, match="The collector answers 404: No such thing"):
        post(url)


def test_a_200_of_another_web_server_is_told(scripted):
    with (
        Client("collector", scripted((200, {}, b"<html>")).url) as client,
        pytest.raises(ServiceError, match="is the URL right"),
    ):
        deliver(client, [b"{}"])


def test_a_redirect_is_not_followed(scripted):
    server = scripted((301, {"Location": "https://example.org/"}, b""))
    with pytest.raises(RefusedError, match=r"moved to https://example.org/; name that URL"):
        post(server.url)


def require_reachable(url: str) -> None:
    with Client("collector", url) as client:
        client.require_reachable()


def test_a_service_that_is_not_there_is_told_at_once():
    began = time.monotonic()
    with pytest.raises(UnavailableError) as away:
        require_reachable(f"http://ann:secret@127.0.0.1:{free_port()}")
    assert time.monotonic() - began < PATIENCE_SECONDS / 2
    assert away.value.message.startswith("No collector answers at http://127.0.0.1:")
    assert "tracker up" in away.value.message
    assert "secret" not in away.value.message
    assert away.value.exit_code == 2


def test_any_answer_tells_that_something_is_there(scripted):
    require_reachable(scripted((503, {}, b"")).url)


@pytest.mark.parametrize(
    "url", ["127.0.0.1:8000", "ftp://example.org", "http://", "", "http://[::1", "http://host:port"]
)
def test_what_is_no_url_is_refused(url):
    with pytest.raises(click.UsageError, match=r"one looks like http://127.0.0.1:8000"):
        Client("collector", url)


PASSWORDS = [
    "pa55w0rd",
    "a@pa55w0rd",
    "a/pa55w0rd",
    "a//pa55w0rd",
    "a:pa55w0rd",
    "a pa55w0rd",
    "[pa55w0rd",
    "%zzpa55w0rd",
    "a#pa55w0rd",
]


@pytest.mark.parametrize("start", ["http://", "https://", "ftp://", "http:/", ""])
@pytest.mark.parametrize("host", ["127.0.0.1:1", "127.0.0.1:port", "[::1", "", "*.*:1"])
@pytest.mark.parametrize("password", PASSWORDS)
def test_a_password_in_a_url_is_not_shown(start, host, password):
    with pytest.raises(click.ClickException) as refused:
        require_reachable(f"{start}ann:{password}@{host}")
    assert "pa55w0rd" not in refused.value.message


def test_an_address_that_cannot_be_asked_is_told(scripted):
    with pytest.raises(ServiceError, match="can't be reached"):
        require_reachable(scripted(OK).url.replace("http:", "https:"))


def test_a_path_in_the_url_is_kept(scripted):
    server = scripted(OK)
    post(f"{server.url}/behind/an/ingress/")
    assert server.asked[0][1] == "/behind/an/ingress/events"


def test_stopped_clients_give_up(scripted):
    server = scripted((503, {"Retry-After": "5"}, b""))
    with Client("collector", server.url, 60) as client:
        threading.Timer(0.2, client.stop).start()
        with pytest.raises(UnavailableError):
            client.get("/", {})


def test_backoff_doubles_up_to_a_bound():
    assert all(0.125 <= backoff(0) <= 0.25 for _ in range(100))
    assert all(1.5 <= backoff(100) <= 3 for _ in range(100))
    assert all(4 <= backoff(5, 60) <= 8 for _ in range(100))
    assert all(30 <= backoff(100, 60) <= 60 for _ in range(100))


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 0),
        ("", 0),
        ("7", 7),
        ("soon", 0),
        ("-3", 0),
        (format_datetime(datetime(2001, 1, 1, tzinfo=UTC), usegmt=True), 0),
    ],
)
def test_retry_after_is_read(header, seconds):
    assert retry_after(header) == seconds


def test_retry_after_may_be_a_date():
    in_an_hour = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    assert 3500 < retry_after(in_an_hour) <= 3600


def test_only_some_statuses_may_pass():
    assert {status for status in range(200, 600) if is_temporary(status)} == {408, 429, *range(500, 600)}

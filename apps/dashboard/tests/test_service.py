"""The dashboard as a process: start and stop, settings, and the export that it passes on."""

import codecs
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest
import requests
import websockets.sync.client
from ports import free_port
from servers import START_SECONDS
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

EXPORT = "/download/events"
HALF = b"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhalf,\r\n"


def test_sigterm_ends_it_with_exit_code_0(another, lonely_dashboard):
    with another(lonely_dashboard.query_url) as other:
        assert other.process.stop(signal.SIGTERM, timeout=60) == 0


def test_a_visitor_doesnt_keep_it_from_ending(another, dashboard, browser):
    with another(dashboard.query_url) as other:
        page = browser.new_page()
        page.set_default_timeout(60_000)
        page.goto(f"{other.url}/users")
        page.locator("h1").wait_for()
        assert other.process.stop(signal.SIGTERM, timeout=60) == 0
        page.close()


def test_mistakes_in_settings_are_all_named():
    settings = {**os.environ, "PORT": "99999", "QUERY_URL": "localhost:8001"}
    done = subprocess.run(
        [sys.executable, "-m", "event_tracker.dashboard"], env=settings, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == ["PORT", "QUERY_URL"]


def test_it_needs_no_home_and_writes_nothing(tmp_path):
    port = free_port()
    settings = {name: value for name, value in os.environ.items() if name != "HOME"}
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "event_tracker.dashboard"],
            env={**settings, "PORT": str(port)},
            cwd=tmp_path,
            stdout=log,
            stderr=log,
        )
        try:
            deadline = time.monotonic() + START_SECONDS
            while True:
                try:
                    answer = requests.get(f"http://127.0.0.1:{port}/_stcore/health", timeout=30)
                    break
                except requests.RequestException:
                    assert process.poll() is None
                    assert time.monotonic() < deadline
                    time.sleep(0.1)
            assert (answer.status_code, answer.text) == (200, "ok")
        finally:
            process.terminate()
            assert process.wait(60) == 0
    assert [file.name for file in tmp_path.iterdir()] == ["log"]
    assert (tmp_path / "log").read_text() == ""


@pytest.mark.parametrize("format_", ["ndjson", "csv", "parquet"])
def test_an_export_is_handed_through_unchanged(dashboard, format_):
    parameters = {"format": format_, "event_type": ["purchase", "page_view"], "property.page": "/"}
    own = requests.get(f"{dashboard.query_url}/events/export", params=parameters, timeout=30)
    handed = requests.get(dashboard.url + EXPORT, params=parameters, timeout=30)
    assert handed.status_code == own.status_code == 200
    assert handed.headers["Content-Type"] == own.headers["Content-Type"]
    assert handed.headers["Content-Disposition"] == f'attachment; filename="events.{format_}"'
    # What is different in CSV: test_download.py.
    assert handed.content == (codecs.BOM_UTF8 if format_ == "csv" else b"") + own.content
    assert len(own.content) > 500


def test_a_refused_export_is_refused_alike(dashboard):
    handed = requests.get(dashboard.url + EXPORT, params={"format": "xls"}, timeout=30)
    assert handed.status_code == 422
    assert handed.headers["Content-Type"] == "application/problem+json"
    assert handed.json()["errors"][0]["parameter"] == "format"


def test_an_export_without_a_query_service_is_a_502(lonely_dashboard):
    handed = requests.get(lonely_dashboard.url + EXPORT, timeout=30)
    assert handed.status_code == 502
    assert handed.json()["detail"] == "The query service doesn't answer."


@contextmanager
def saying(lonely_dashboard, words):
    """A server in place of the query service. It answers one request with these bytes and closes the connection."""

    def serve(server):
        connection, _ = server.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(words)

    with socket.create_server(("127.0.0.1", int(lonely_dashboard.query_url.rpartition(":")[2]))) as server:
        answering = threading.Thread(target=serve, args=[server])
        answering.start()
        yield
        answering.join()


def test_an_export_that_breaks_off_breaks_off_for_the_visitor(lonely_dashboard):
    with saying(lonely_dashboard, HALF), pytest.raises(requests.exceptions.ChunkedEncodingError):
        requests.get(lonely_dashboard.url + EXPORT, timeout=30)


@pytest.mark.parametrize("said", ["HTTP/1.1 200 OK", "Content-Type: te", "Transfer-Encoding: chunke"])
def test_an_export_that_breaks_off_in_its_head_is_no_empty_one(lonely_dashboard, said):
    with saying(lonely_dashboard, HALF[: HALF.index(said.encode()) + len(said)]):
        assert requests.get(lonely_dashboard.url + EXPORT, timeout=30).status_code == 502


@pytest.mark.parametrize("path", ["/", "/users", "/_stcore/health", EXPORT])
def test_no_other_page_may_frame_it_and_it_loads_from_no_other_host(lonely_dashboard, path):
    headers = requests.get(lonely_dashboard.url + path, timeout=30).headers
    assert (headers["X-Content-Type-Options"], headers["Referrer-Policy"]) == ("nosniff", "same-origin")
    policy = headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    (script,) = (part for part in policy.split("; ") if part.startswith("script-src"))
    assert "unsafe" not in script


@contextmanager
def stream_of(dashboard):
    """Open the WebSocket that updates a page. Anybody may open it."""
    url = dashboard.url.replace("http:", "ws:") + "/_stcore/stream"
    with websockets.sync.client.connect(
        url, subprotocols=["streamlit"], open_timeout=60, close_timeout=60, max_queue=None
    ) as stream:
        yield stream


def test_what_a_page_is_told_is_not_compressed(lonely_dashboard):
    with stream_of(lonely_dashboard) as stream:
        assert "permessage-deflate" in stream.request.headers["Sec-WebSocket-Extensions"]
        assert stream.protocol.extensions == []


def session_of(stream):
    """The id of its session."""
    stream.send(BackMsg(rerun_script={"query_string": ""}).SerializeToString())
    while True:
        told = ForwardMsg.FromString(stream.recv(60))
        if told.WhichOneof("type") == "new_session":
            return told.new_session.initialize.session_id


def test_a_visitor_uploads_no_files_which_would_be_kept_in_memory(lonely_dashboard):
    with stream_of(lonely_dashboard) as stream:
        url = f"{lonely_dashboard.url}/_stcore/upload_file/{session_of(stream)}/1"
        token = requests.get(f"{lonely_dashboard.url}/_stcore/host-config", timeout=60).cookies.get("_streamlit_xsrf")
        answer = requests.put(
            url,
            files={"file": b"x" * 1_000_000},
            headers={"X-Xsrftoken": token or ""},
            cookies={"_streamlit_xsrf": token or ""},
            timeout=60,
        )
    assert (answer.status_code, answer.headers.get("Allow")) == (405, "GET, HEAD")
    assert "Content-Security-Policy" in answer.headers


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/"), ("POST", "/_stcore/agent/interact"), ("DELETE", "/sign-in"), ("PUT", EXPORT)]
)
def test_it_takes_nothing_but_its_own_forms(lonely_dashboard, method, path):
    assert requests.request(method, lonely_dashboard.url + path, data=b"x", timeout=60).status_code == 405


def test_a_page_says_no_more_at_once_than_its_inputs_hold(lonely_dashboard):
    with stream_of(lonely_dashboard) as stream:
        stream.send(b"x" * 2_000_000)
        with pytest.raises(websockets.exceptions.ConnectionClosedError) as closed:
            list(stream)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009

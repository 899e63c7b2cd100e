"""A collector that answers as a case says, and records every request. Standard library alone."""

import gzip
import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

WRITE_KEY = "wk_contract"
SILENT_SECONDS = 60.0

Event = dict[str, Any]
Sent = tuple[dict[str, str], bytes]


@dataclass
class Request:
    """A request, and what it was answered.

    Attributes:
        began, ended: when it was there, and when its answer was sent.
        fault: what is wrong with the request itself; "" if nothing is.
        events: those in its body.
        waits: its events may be sent again, after so many seconds; None if the answer is final, or never came.
        settled: whether the client knows what became of each of its events.
    """

    began: float
    path: str
    headers: dict[str, str]
    size: int
    fault: str = ""
    events: list[Event] = field(default_factory=list)
    ended: float = 0.0
    waits: float | None = None
    settled: bool = False


class SimulatedCollector(ThreadingHTTPServer):
    """Answers the first requests as `answers` of the case says, and all others as a collector does.

    Args:
        case: of cases.json. It listens `down_seconds` later.
    """

    daemon_threads = True

    def __init__(self, case: dict[str, Any]) -> None:
        super().__init__(("127.0.0.1", 0), Handler, bind_and_activate=False)
        self.server_bind()
        self.case, self.lock = case, threading.Lock()
        self.requests: list[Request] = []
        self.stored: dict[int, Event] = {}
        self._timer = threading.Timer(case.get("down_seconds", 0), self._listen)
        self._timer.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def close(self) -> None:
        self._timer.join()
        self.shutdown()
        self.server_close()

    def note(self, request: Request) -> dict[str, Any]:
        """Record a request. Returns what the case says about its answer."""
        with self.lock:
            self.requests.append(request)
            answers: list[dict[str, Any]] = self.case.get("answers", [])
            return answers[len(self.requests) - 1] if len(self.requests) <= len(answers) else {}

    def store(self, events: list[Event]) -> dict[int, str]:
        """Store events, but for those that the case refuses. Returns, by index, what became of each: stored, duplicate or refused."""
        refused = set(self.case.get("refuse", []))
        became = {}
        with self.lock:
            for index, event in enumerate(events):
                number = read_number(event)
                if number in refused:
                    became[index] = "refused"
                else:
                    became[index] = "duplicate" if number in self.stored else "stored"
                    self.stored.setdefault(number, event)
        return became

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients may hang up."""

    def _listen(self) -> None:
        self.server_activate()
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()


def read_number(event: Event) -> int:
    """Which of the case's events it is."""
    number = (event.get("properties") or {}).get("n")
    return number if isinstance(number, int) else -1


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: SimulatedCollector

    def do_POST(self) -> None:
        body = self._read()
        headers = {name.lower(): value for name, value in self.headers.items()}
        if headers.get("content-encoding") in ("gzip", "x-gzip"):
            body = gzip.decompress(body)
        request = Request(time.monotonic(), self.path.partition("?")[0], headers, len(body))
        try:
            request.events = parse(headers.get("content-type", ""), body)
        except ValueError as error:
            request.fault = f"the body can't be read: {error}"
        if request.path != "/events":
            request.fault = f"it goes to {request.path}"
        if WRITE_KEY not in (
            headers.get("x-write-key"),
            headers.get("authorization", "").removeprefix("Bearer "),
            self.path.partition("write_key=")[2],
        ):
            request.fault = "it has no write key"
        if not request.events and not request.fault:
            self._send(request, 200, {}, b'{"received":0,"stored":0,"duplicates":0,"rejected":0}')  # asks for the time
            return
        self._answer(request, self.server.note(request))

    def do_GET(self) -> None:
        """Clients may look whether there is a collector."""
        self._send(Request(0.0, self.path, {}, 0), 200, {}, b'{"service":"collector"}')

    def _read(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _answer(self, request: Request, said: dict[str, Any]) -> None:
        if "status" in said:
            status = said["status"]
            headers = {name: str(value) for name, value in said.get("headers", {}).items()}
            if "retry_after_date_seconds" in said:  # a date has whole seconds: the next one
                at = time.time() + said["retry_after_date_seconds"] + 1
                headers["Retry-After"] = self.date_time_string(int(at))
            is_temporary = status in (408, 429) or status >= 500
            request.waits = said.get("waits_seconds", 0.0) if is_temporary else None
            request.settled = not is_temporary
            self._send(request, status, headers, said.get("body", problem(status)).encode())
            return
        limit = self.server.case.get("max_request_events"), self.server.case.get("max_request_bytes")
        if (limit[0] and len(request.events) > limit[0]) or (limit[1] and request.size > limit[1]):
            request.settled = len(request.events) == 1
            self._send(request, 413, {}, problem(413).encode())
            return
        if said.get("fault") == "closed":  # before anything is stored
            self._hang_up(request)
            return
        status, answer = collector_answer(request.events, self.server.store(request.events), self.server.case)
        if said.get("fault") == "answer_lost":
            self._hang_up(request)
        elif said.get("fault") == "silence":
            request.waits = 0.0
            self.connection.settimeout(SILENT_SECONDS)
            self.rfile.read(1)  # until the client hangs up
            self.close_connection = True
        elif said.get("fault") == "answer_cut":
            request.waits, self.close_connection = 0.0, True
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer[: len(answer) // 2])
            request.ended = time.monotonic()
        else:
            request.settled = True
            self._send(request, status, {}, answer)

    def _hang_up(self, request: Request) -> None:
        request.waits, request.ended, self.close_connection = 0.0, time.monotonic(), True

    def _send(self, request: Request, status: int, headers: dict[str, str], body: bytes) -> None:
        request.ended = time.monotonic()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


def parse(content_type: str, body: bytes) -> list[Event]:
    """The events of a body.

    Raises:
        ValueError: if it isn't one.
    """
    text = body.decode()
    kind = content_type.partition(";")[0].strip()
    if kind == "application/x-ndjson":
        found = [json.loads(line) for line in text.split("\n") if line.strip()]
    elif kind in ("application/json", "text/plain"):
        found = json.loads(text)
        found = found if isinstance(found, list) else [found]
    else:
        raise ValueError(f"Content-Type {content_type}")
    if not all(isinstance(event, dict) for event in found):
        raise ValueError("an event isn't an object")
    return found


def problem(status: int) -> str:
    """A problem document (RFC 9457), as the collector's."""
    return json.dumps(
        {"type": "about:blank", "status": status, "code": "contract", "detail": f"The case says {status}."}
    )


def collector_answer(events: list[Event], became: dict[int, str], case: dict[str, Any]) -> tuple[int, bytes]:
    """The status and body with which a collector answers a batch."""
    refused = [index for index in became if became[index] == "refused"]
    errors = [
        {"index": index, "pointer": f"/{index}/event_type", "code": "length", "detail": "The case refuses it."}
        for index in refused
    ]
    if len(refused) == len(events):
        refusal = {"status": 422, "code": "invalid_events", "detail": "No event is valid.", "errors": errors}
        return 422, json.dumps(refusal).encode()
    kinds = list(became.values())
    stored = kinds.count("stored")
    answer: dict[str, Any] = {"received": len(events), "stored": stored, "duplicates": kinds.count("duplicate")}
    if case.get("kafka"):
        answer = {"received": len(events), "stored": 0, "duplicates": 0, "accepted": len(events) - len(refused)}
    if case.get("expired"):
        answer |= {"stored": 0, "expired": stored}
        answer["warnings"] = [
            {
                "index": index,
                "pointer": f"/{index}/timestamp",
                "code": "expired",
                "detail": "It is older than what is kept.",
            }
            for index in became
            if became[index] == "stored"
        ]
    answer["rejected"] = len(refused)
    if errors:
        return 207, json.dumps(answer | {"errors": errors}).encode()
    return 202 if case.get("kafka") else 200, json.dumps(answer).encode()

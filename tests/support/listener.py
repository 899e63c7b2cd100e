"""A client of GET /events/live."""

import contextlib
import json
import socket
import threading
from contextlib import contextmanager

import requests


class Listener:
    """A client that reads in its own thread. `told` has what it received: (event, data, id)."""

    def __init__(self, url, parameters, headers=None):
        self.received = []
        self.comments = []
        self.ended = False
        self.answer = requests.get(f"{url}/events/live", params=parameters, headers=headers, stream=True, timeout=40)
        self.thread = threading.Thread(target=self._listen, daemon=True)
        if self.answer.status_code == 200:
            self.thread.start()

    def _listen(self):
        with contextlib.suppress(requests.RequestException):  # the body was broken off, by us or by the service
            self._read()
            self.ended = True

    def _read(self):
        fields = {}
        for line in self.answer.iter_lines(chunk_size=None):
            if line.startswith(b":"):
                self.comments.append(line)
            elif line:
                name, _, value = line.decode().partition(": ")
                fields[name] = value
            elif "event" in fields:
                self.received.append((fields["event"], json.loads(fields["data"]), fields.get("id")))
                fields = {}

    def numbers(self):
        return [data["properties"]["n"] for kind, data, _ in self.received if kind == "event"]


@contextmanager
def listening(service, headers=None, **parameters):
    listener = Listener(service.url, parameters, headers)
    try:
        assert listener.answer.status_code == 200, listener.answer.text
        yield listener
    finally:
        # The connection itself: closing the answer would wait for the thread that reads it.
        connection = listener.answer.raw.connection
        if connection is not None and connection.sock is not None:
            connection.sock.shutdown(socket.SHUT_RDWR)
        if listener.thread.ident:
            listener.thread.join(20)
        listener.answer.close()

"""Whether a service answers others while it is under attack."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import requests

PATIENCE_SECONDS = 8
"""How long an answer to another client may take: much longer than usual, and much shorter than the attack could delay it."""


def answers_meanwhile(
    url: str, attack: Callable[[], None], threads: int = 1, meanwhile: Callable[[], None] = lambda: None
) -> None:
    """Request /livez and call `meanwhile`, again and again, while the attack runs in some threads.

    Fails if it isn't answered within `PATIENCE_SECONDS`, or if the attack itself raises.
    """
    failed: list[BaseException] = []

    def run() -> None:
        try:
            attack()
        except BaseException as error:
            failed.append(error)

    running = [threading.Thread(target=run) for _ in range(threads)]
    for thread in running:
        thread.start()
    while any(thread.is_alive() for thread in running):
        assert requests.get(f"{url}/livez", timeout=PATIENCE_SECONDS).status_code == 200
        meanwhile()
    for thread in running:
        thread.join()
    assert failed == []


@contextmanager
def crowd(url: str, act: Callable[[socket.socket, threading.Event], None], clients: int) -> Iterator[None]:
    """So many clients; each connects, acts until it is told to stop, and does so again once it is hung up on."""
    host, port = url.removeprefix("http://").split(":")
    stopped = threading.Event()

    def attack() -> None:
        while not stopped.is_set():
            with suppress(OSError), socket.create_connection((host, int(port)), timeout=5) as connection:
                act(connection, stopped)

    attackers = [threading.Thread(target=attack) for _ in range(clients)]
    for attacker in attackers:
        attacker.start()
    try:
        yield
    finally:
        stopped.set()
        for attacker in attackers:
            attacker.join()

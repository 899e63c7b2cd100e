"""Whether a service answers others while it is under attack."""

import threading
from collections.abc import Callable

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

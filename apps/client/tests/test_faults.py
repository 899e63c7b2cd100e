"""A real collector and database that are killed, and answers that are lost: all that was tracked is stored once and counted once."""

import signal
import threading

import psycopg
import pytest
from http_faults import FaultyProxy
from ports import free_port
from programs import start_program
from waiting import wait_until

from event_tracker.client import Client, delivery

EACH = 700


def choose_fault(number):
    """What the proxy does with a request: it refuses each fifth, and loses the answer to each fourth."""
    return "refused" if number % 5 == 0 else "answers_lost" if number % 4 == 0 else "none"


class Site:
    """A collector on a server of its own, behind a proxy that loses answers."""

    def __init__(self, postgres, start_service):
        self.postgres, self.start_service, self.port = postgres, start_service, free_port()
        self.collector = self.start_collector()
        self.proxy = FaultyProxy(self.collector.url, choose_fault, retry_after=0)

    def start_collector(self):
        return self.start_service(
            "collector", wait=False, DATABASE_URL=self.postgres.url("events", "collector"), PORT=self.port
        )

    def rows(self, statement):
        with psycopg.connect(self.postgres.url("events")) as connection:
            return connection.execute(statement).fetchall()

    def stored(self):
        return [str(event_id) for (event_id,) in self.rows("select event_id from events")]

    def counted(self):
        return int(self.rows("select coalesce(sum(count), 0) from event_counts")[0][0])


@pytest.fixture
def site(own_postgres, start_service):
    site = Site(own_postgres, start_service)
    site.collector.wait_ready()
    yield site
    site.proxy.close()


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    """Shorter waits, so that more is sent while things fail."""
    monkeypatch.setattr(delivery, "backoff", lambda attempt: 0.05)


def test_what_it_says_is_delivered_is_stored_once_and_counted_once(site):
    undelivered, ids, lock = [], [], threading.Lock()
    client = Client(site.proxy.url, interval_seconds=0.01, on_error=undelivered.append)

    def track(number):
        for _ in range(EACH):
            event_id = client.track(f"user-{number}", "x", {"page": "/"})
            with lock:
                ids.append(event_id)

    def track_while(break_it, mend):
        threads = [threading.Thread(target=track, args=[number]) for number in range(3)]
        for thread in threads[:2]:
            thread.start()
        retried = client.stats.retried
        break_it()
        threads[2].start()
        for thread in threads:
            thread.join()
        wait_until(lambda: client.stats.retried > retried, "something was sent again")
        mend()
        assert client.flush(120)

    def restart():
        site.collector = site.start_collector()
        site.collector.wait_ready()

    track_while(site.collector.kill, restart)
    track_while(lambda: site.postgres.stop("immediate"), site.postgres.start)
    track_while(lambda: site.postgres.stop("fast"), site.postgres.start)
    client.close()
    assert undelivered == []
    assert client.stats.delivered == len(ids) == 9 * EACH
    stored = site.stored()
    assert len(stored) == len(ids)
    assert set(stored) == set(ids)
    assert site.counted() == len(ids)
    assert site.proxy.happened["answers_lost"]
    assert site.proxy.happened["refused"]


PROGRAM = """
from event_tracker.client import delivery
delivery.backoff = lambda attempt: 0.05
client = Client(URL, folder=ARGUMENTS[0], interval_seconds=0.01)
for number in range(int(ARGUMENTS[1])):
    print(client.track("ann", "x", {"n": number}), flush=True)
client.close(120)
"""


def test_with_a_folder_that_holds_for_a_process_that_is_killed(site, tmp_path):
    """What `track` has returned for is stored, although the process was killed at once and the collector meanwhile."""
    tracked, folder = [], tmp_path / "events"
    for _ in range(3):
        process = start_program(PROGRAM, site.proxy.url, folder, 10**6)
        tracked += [process.stdout.readline() for _ in range(EACH)]
        site.collector.kill()
        tracked += [process.stdout.readline() for _ in range(EACH)]
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
        site.collector = site.start_collector()
        site.collector.wait_ready()
    with Client(site.proxy.url, folder=folder, interval_seconds=0.01):
        wait_until(lambda: not list(folder.iterdir()), "all files are delivered")
    stored = site.stored()
    assert len(stored) == len(set(stored)) == site.counted()
    assert {line.strip() for line in tracked} <= set(stored)

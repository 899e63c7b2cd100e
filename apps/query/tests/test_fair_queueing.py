"""Clients take turns: the queries of one are answered, however many and however slow those of another are."""

from concurrent.futures import ThreadPoolExecutor

import gevent
import psycopg
import requests
from gevent.event import Event
from lock_waits import waiting_for_locks
from waiting import wait_until

from event_tracker.core import concurrency_limit
from event_tracker.core.concurrency_limit import ConcurrencyLimit
from event_tracker.core.http.errors import Problem
from event_tracker.core.secrets.keys import make_key
from event_tracker.query.auth.principal import ANYONE, PRINCIPAL, Principal, QuotaHolder, client_of
from event_tracker.query.concurrency import SingleFlight, take_turn
from event_tracker.query.events import store
from event_tracker.query.events.store import Batcher

LOUD, QUIET = QuotaHolder("token", "loud"), QuotaHolder("token", "quiet")


class Database:
    """Answers one question at a time, each when `let` is called. `asked` are the questions that have reached it."""

    def __init__(self, limit):
        self.asked = []
        self._may = []
        self.shared = SingleFlight(self._answer, limit)

    def _answer(self, question):
        self.asked.append(question)
        may = Event()
        self._may.append(may)
        may.wait()
        if question == "broken":
            raise ValueError(question)
        return f"answer to {question}"

    def let(self):
        """Answer the question that has waited for longest."""
        self._may.pop(0).set()
        gevent.sleep(0.001)

    def ask(self, question, client):
        """A greenlet that waits for the answer; its value is that, or the error."""

        def wait():
            try:
                return self.shared.run(question, client)
            except (Problem, ValueError) as error:
                return error

        waiting = gevent.spawn(wait)
        gevent.sleep(0.001)
        return waiting


def test_who_asks_what_another_has_asked_waits_in_no_queue_but_their_own():
    database = Database(ConcurrencyLimit())
    first = database.ask("first", LOUD)
    others = [database.ask(question, LOUD) for question in ("second", "third", "same")]
    joined = database.ask("same", QUIET)
    database.let()
    assert first.get() == "answer to first"
    # A round: it would have been the second, then the same for QUIET. The turn that LOUD has for it isn't waited for.
    database.let()
    database.let()
    assert database.asked == ["first", "second", "same", "third"]
    assert joined.get() == others[2].get() == "answer to same"
    database.let()
    gevent.joinall(others)
    assert len(database.asked) == 4, "nothing was asked twice"
    assert database.shared._pending == {}


def test_whoever_asks_once_it_has_begun_has_it_asked_again():
    database = Database(ConcurrencyLimit())
    early = database.ask("same", LOUD)
    late = [database.ask("same", client) for client in (LOUD, QUIET, LOUD)]
    database.let()
    database.let()
    assert [one.get() for one in (early, *late)] == ["answer to same"] * 4
    assert database.asked == ["same", "same"]


def test_everybody_who_waits_hears_that_a_question_failed():
    database = Database(ConcurrencyLimit())
    first = database.ask("first", LOUD)
    failed = [database.ask("broken", client) for client in (LOUD, QUIET, LOUD)]
    database.let()
    database.let()
    assert [str(one.get()) for one in failed] == ["broken"] * 3
    assert database.asked == ["first", "broken"]
    assert first.get() == "answer to first"


def test_a_client_with_too_many_waiting_is_refused_and_others_who_ask_the_same_are_answered(monkeypatch):
    monkeypatch.setattr(concurrency_limit, "MAX_WAITING", 2)
    database = Database(ConcurrencyLimit())
    waiting = [database.ask(question, LOUD) for question in ("first", "second", "third")]
    joined = database.ask("same", QUIET)
    refused = database.ask("same", LOUD).get()
    assert (refused.status, refused.code) == (429, "too_many_open")
    assert refused.headers["Retry-After"] == "1"
    for _ in range(4):
        database.let()
    assert joined.get() == "answer to same"
    gevent.joinall(waiting)


def test_a_question_without_a_turn_in_time_is_busy_for_its_own_client_only(monkeypatch):
    monkeypatch.setattr(
        "event_tracker.query.concurrency.take_turn",
        lambda *given: take_turn(*given, seconds=0.0 if QUIET in given else 60.0),
    )
    database = Database(ConcurrencyLimit())
    waiting = [database.ask(question, LOUD) for question in ("first", "same")]
    refused = database.ask("same", QUIET).get()
    assert (refused.status, refused.code) == (503, "busy")
    database.let()
    database.let()
    assert waiting[1].get() == "answer to same"
    assert database.shared._pending == {}


class Batches:
    """Answers batches of questions, each when `let` is called. `asked` are the batches that have reached the database."""

    def __init__(self, at_once, each):
        self.asked = []
        self._may = []
        self.pages = Batcher(self._run_all, at_once, each)

    def _run_all(self, questions):
        self.asked.append(list(questions))
        self._may.append(Event())
        self._may[-1].wait()
        return questions

    def let(self, number):
        """Answer the batch of this number, in the order in which they were asked."""
        self._may[number].set()
        gevent.sleep(0.001)

    def ask(self, *questions):
        """Greenlets that wait for the answers to questions such as "loud 1"."""
        asking = [gevent.spawn(self.pages.run, question, question.split()[0]) for question in questions]
        gevent.sleep(0.001)
        return asking


def test_small_pages_of_one_client_keep_no_others_waiting(monkeypatch):
    monkeypatch.setattr(store, "MAX_IN_BATCH", 3)
    batches = Batches(at_once=2, each=1)
    loud = batches.ask(*(f"loud {number}" for number in range(5)))
    assert batches.asked == [["loud 0", "loud 1", "loud 2"]], "one batch is left to others"
    quiet = batches.ask("quiet 1")
    assert batches.asked[1:] == [["quiet 1"]]
    batches.let(1)
    assert quiet[0].get() == "quiet 1"
    assert len(batches.asked) == 2
    batches.let(0)
    assert batches.asked[2:] == [["loud 3", "loud 4"]]
    batches.let(2)
    assert [one.get() for one in loud] == [f"loud {number}" for number in range(5)]
    batches.pages.close()


def test_clients_take_turns_at_the_batches_of_small_pages(monkeypatch):
    monkeypatch.setattr(store, "MAX_IN_BATCH", 1)
    batches = Batches(at_once=2, each=2)
    asking = batches.ask(*(f"loud {number}" for number in range(4)), "quiet 1", "small 1", "quiet 2")
    for number in range(7):
        batches.let(number)
    gevent.joinall(asking)
    assert [questions[0] for questions in batches.asked] == [
        "loud 0", "quiet 1", "small 1", "loud 1", "quiet 2", "loud 2", "loud 3",
    ]  # fmt: skip
    batches.pages.close()


def test_tokens_share_with_who_handed_them_out():
    token = Principal("token", "rt_one", frozenset(), frozenset({"shop"}), quota_holder=QuotaHolder("person", "sue"))
    sue = Principal("person", "sue", frozenset(), frozenset({"shop"}))
    assert client_of({PRINCIPAL: token}) == client_of({PRINCIPAL: sue}) == QuotaHolder("person", "sue")
    anyone = [
        client_of({PRINCIPAL: ANYONE, "REMOTE_ADDR": address}) for address in ("10.0.0.1", "10.0.0.2", "10.0.0.1")
    ]
    assert anyone[0] == anyone[2] != anyone[1]


def test_one_token_s_slow_questions_keep_nobody_else_waiting(start_guarded, who_sees, shared_owner):
    """LOUD's wait for a lock, and hold as many turns as one may; what another asks is answered beside them."""
    service = start_guarded(POOL_MAX=4, STATEMENT_SECONDS=60)
    loud, quiet = who_sees(), who_sees()
    shared_owner.execute("insert into event_counts values ('2026-03-01 10:00+00', 'view', 'default', 0, 1)")
    with ThreadPoolExecutor(12) as pool:
        with shared_owner.transaction():
            shared_owner.execute("lock table event_counts in access exclusive mode")
            asked = [
                pool.submit(requests.get, f"{service.url}/stats/top-types?limit={n}", headers=loud.headers, timeout=90)
                for n in range(1, 13)
            ]
            wait_until(lambda: waiting_for_locks(shared_owner, columns=False) == 1)
            answers = [quiet.get(f"{service.url}/events?session_id={n}", timeout=30) for n in range(5)]
            assert [answer.status_code for answer in answers] == [200] * 5
            assert waiting_for_locks(shared_owner, columns=False) == 1
        assert {one.result().status_code for one in asked} <= {200, 503}


def let_in(owner, scopes, sources=None):
    """The headers of a program with these scopes."""
    key = make_key("rt")
    owner.execute(
        "insert into api_tokens (prefix, name, hash, scopes, sources) values (%s, 'x', %s, %s, %s)",
        [key.prefix, key.hash, scopes, sources],
    )
    return {"Authorization": f"Bearer {key.key}"}


def test_what_one_admin_asks_for_keeps_nobody_out(start_guarded, shared_owner):
    """Theirs waits for a lock; who shows a token is let in beside that, and other admins are answered."""
    service = start_guarded(STATEMENT_SECONDS=60)
    loud = let_in(shared_owner, ["admin"], ["default"])

    def ask(path, headers):
        return requests.get(f"{service.url}{path}", headers=headers, timeout=90)

    with ThreadPoolExecutor(12) as pool:
        with shared_owner.transaction():
            shared_owner.execute("lock table rejections in access exclusive mode")
            asked = [pool.submit(ask, "/admin/rejections/counts", loud) for _ in range(12)]
            wait_until(lambda: waiting_for_locks(shared_owner, columns=False) == 1)
            with psycopg.connect(shared_owner.info.dsn, autocommit=True) as other:
                reader, admin = let_in(other, ["read_events"]), let_in(other, ["admin"])
            assert ask("/events?user_id=ann", reader).status_code == 200
            assert ask("/admin/audit", admin).status_code == 200
            assert waiting_for_locks(shared_owner, columns=False) == 1
        assert {one.result().status_code for one in asked} <= {200, 503}

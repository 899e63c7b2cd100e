"""DELETE /users/{user_id}: afterwards the database is as if the user's events had never arrived, or it is unchanged."""

import contextlib
import json
import threading
import uuid
from collections import Counter

import psycopg
import pytest
import requests
from joserfc import jws
from joserfc.jwk import KeySet
from lock_waits import waiting_for_locks
from signing_key import make_signing_key
from waiting import wait_until
from world import World, an_event, contents, life_of

from event_tracker.core.http.errors import Problem
from event_tracker.core.secrets.hmac import is_committed
from event_tracker.core.secrets.keys import make_key
from event_tracker.query.auth.principal import SCOPES, Principal
from event_tracker.query.auth.signing import Signer
from event_tracker.query.users import erasure

NOBODY = {"events": 0, "rejections": 0, "links": 0, "event_counts": 0, "users": 0}


@pytest.fixture
def world(postgres, database, start_service, owner):
    return World(postgres, database, start_service, owner)


@pytest.fixture
def without(postgres, start_service):
    """without(events, ...): the content of a database that got these events only; each list has its source's name."""

    def without(*parts):
        name = f"test_{uuid.uuid4().hex}"
        postgres.clone(name)
        with psycopg.connect(postgres.url(name), autocommit=True, options="-c timezone=UTC") as owner:
            world = World.__new__(World)
            world.postgres, world.database, world.owner = postgres, name, owner
            world.collector = start_service("collector", DATABASE_URL=postgres.url(name, "collector"))
            for source, events in parts:
                world.send(events, world.make_source(source) if source else None)
            world.maintain()
            world.collector.stop()
            found = contents(owner)
        postgres.execute(f"drop database {name} with (force)")
        return found

    return without


def test_the_database_is_as_if_the_user_had_never_been(world, without):
    world.send(life_of("ann") + life_of("bob"))
    world.maintain()
    answer = world.erase("ann")
    assert answer.status_code == 200
    assert answer.json()["counts"] == {
        "events": 15,
        "rejections": 0,
        "links": 0,
        "event_counts": 15,
        "users": 1,
    }
    assert contents(world.owner) == without((None, life_of("bob")))
    world.maintain()
    assert contents(world.owner) == without((None, life_of("bob")))


def test_late_events_are_erased_as_well(world, without):
    world.send(life_of("ann")[:8] + life_of("bob")[:8])
    world.maintain()
    world.send(life_of("ann") + life_of("bob"))  # late, and in no block yet
    world.erase("ann").raise_for_status()
    world.maintain()
    assert contents(world.owner) == without((None, life_of("bob")))


def test_the_last_user_leaves_nothing(world, without):
    world.send(life_of("ann"))
    world.maintain()
    world.erase("ann").raise_for_status()
    assert not any(contents(world.owner).values())


def test_no_row_of_any_table_names_the_user(world):
    world.send(life_of("ann-who-goes") + life_of("bob"))
    world.maintain()
    answer = world.erase("ann-who-goes").json()
    assert "ann-who-goes" not in repr(answer)
    tables = world.owner.execute(
        "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition"
    ).fetchall()
    assert len(tables) > 10
    for (table,) in tables:
        rows = world.owner.execute(f'select row::text from "{table}" as row').fetchall()
        assert not [row for row in rows if "ann-who-goes" in repr(row) or answer["salt"] in repr(row)], table


def test_refused_events_of_the_user_go_as_well(world):
    for user_id, source in (("ann", "shop"), ("ann", "blog"), ("bob", "shop"), (None, "shop")):
        world.reject(user_id, source)
    assert world.erase("ann", world.admin("shop")).json()["counts"]["rejections"] == 1
    assert world.erase("ann").json()["counts"]["rejections"] == 1
    assert world.owner.execute("select user_id from rejections order by 1").fetchall() == [("bob",), (None,)]


def test_what_a_collector_refused_is_found_by_its_user(world):
    world.owner.execute("update sources set schema_mode = 'enforce'")
    world.owner.execute("""insert into event_schemas values ('default', 'buy', 1, '{"required": ["amount"]}')""")

    def send(user_id, parameters=""):
        event = {"user_id": user_id, "event_type": "buy"}
        return requests.post(f"{world.collector.url}/events{parameters}", json=event, timeout=30).status_code

    wait_until(lambda: send("ann", "?dry_run=true") == 422)  # as soon as it knows the schema
    assert [send("ann"), send("bob")] == [422, 422]
    wait_until(lambda: world.owner.execute("select count(*) from rejections").fetchone() == (2,))
    assert world.erase("ann").json()["counts"] == {**NOBODY, "rejections": 1}
    assert world.owner.execute("select user_id from rejections").fetchall() == [("bob",)]


def test_erasing_again_counts_nothing_and_is_no_mistake(world):
    world.send(life_of("ann"))
    assert world.erase("ann").json()["counts"]["events"] == 15
    again = world.erase("ann")
    assert (again.status_code, again.json()["counts"]) == (200, NOBODY)
    assert world.erase("never-seen").json()["counts"] == NOBODY


def test_an_event_that_is_sent_again_afterwards_is_stored_anew(world):
    events = life_of("ann")
    world.send(events)
    world.erase("ann").raise_for_status()
    assert world.send(events)["stored"] == 15
    assert world.erase("ann").json()["counts"]["events"] == 15


def test_the_receipt_can_be_checked_by_who_has_its_salt_and_knows_the_id(world):
    world.send(life_of("ann"))
    answer = world.erase("ann").json()
    keys = KeySet.import_key_set(requests.get(f"{world.query.url}/.well-known/jwks.json", timeout=30).json())
    signed = jws.deserialize_compact(answer["receipt"], keys, algorithms=["Ed25519"])
    told = json.loads(signed.payload)
    assert (told["jti"], told["mode"], told["counts"]) == (answer["erasure_id"], "erase", answer["counts"])
    assert is_committed(told["user_hmac_sha256"], answer["salt"], "ann")
    assert not is_committed(told["user_hmac_sha256"], answer["salt"], "bob")
    assert not is_committed(told["user_hmac_sha256"], "", "ann")
    ((number, mode, receipt),) = world.owner.execute("select id::text, mode, receipt from erasures").fetchall()
    assert (number, mode, receipt) == (answer["erasure_id"], "erase", answer["receipt"])


def test_it_stands_in_the_audit_log_under_its_number(world):
    headers = world.admin()
    answer = world.erase("ann", headers).json()
    ((actor, action, target, detail),) = world.owner.execute(
        "select actor, action, target, detail from audit"
    ).fetchall()
    assert headers["Authorization"].removeprefix("Bearer ").startswith(actor)
    assert (action, target) == ("erase_user", answer["erasure_id"])
    assert detail == {"counts": NOBODY, "sources": None}


def test_who_is_restricted_to_a_source_erases_its_events_alone(world, without):
    shop, blog = world.make_source("shop"), world.make_source("blog")
    world.send(life_of("ann")[::2] + life_of("bob"), shop)
    world.send(life_of("ann")[1::2], blog)
    world.maintain()
    answer = world.erase("ann", world.admin("shop"))
    assert answer.json()["counts"] == {
        "events": 8,
        "rejections": 0,
        "links": 0,
        "event_counts": 8,
    }
    assert contents(world.owner) == without(("shop", life_of("bob")), ("blog", life_of("ann")[1::2]))
    world.maintain()
    assert contents(world.owner) == without(("shop", life_of("bob")), ("blog", life_of("ann")[1::2]))


def test_a_user_of_foreign_sources_is_like_one_that_is_not_there(world):
    world.send(life_of("ann"), world.make_source("blog"))
    world.maintain()
    before = contents(world.owner)
    shop = world.admin("shop")
    answers = [world.erase(user_id, shop).json() for user_id in ("ann", "nobody")]
    for answer in answers:
        assert answer["counts"] == {"events": 0, "rejections": 0, "links": 0, "event_counts": 0}
        assert len(answer["receipt"]) == len(answers[0]["receipt"])
        assert answer.keys() == answers[0].keys()
    assert contents(world.owner) == before


@pytest.mark.parametrize(
    ("path", "parameter", "code"),
    [
        ("ann?mode=forget", "mode", "invalid_choice"),
        ("ann?modus=erase", "modus", "unknown_parameter"),
        ("x" * 201, "user_id", "length"),
        ("a%00b", "user_id", "nul_character"),
    ],
)
def test_what_is_misspelt_is_refused(shared_query, start_guarded, shared_owner, path, parameter, code):
    key = make_key("rt")
    shared_owner.execute(
        "insert into api_tokens (prefix, name, hash, scopes) values (%s, 'x', %s, '{admin}')", [key.prefix, key.hash]
    )
    headers = {"Authorization": f"Bearer {key.key}"}
    answer = requests.delete(f"{start_guarded().url}/users/{path}", headers=headers, timeout=30)
    assert answer.status_code == 422, answer.text
    assert [(error["parameter"], error["code"]) for error in answer.json()["errors"]] == [(parameter, code)]


def test_ids_with_any_characters_are_erased(world):
    for user_id in ("a/b", "ann@example.org", "ünï", "100%", "a b?c#d"):
        world.send([an_event(user_id, "2026-03-01T10:00:00Z", 1)])
        assert world.erase(requests.utils.quote(user_id, safe="")).json()["counts"]["events"] == 1, user_id


class Asking(threading.Thread):
    """An erasure that runs while something else happens."""

    def __init__(self, world, user_id, service=None):
        super().__init__()
        self.given = (user_id, world.admin(), service)
        self.world = world
        self.answer = None
        self.start()

    def run(self):
        try:
            self.answer = self.world.erase(*self.given)
        except requests.ConnectionError:
            self.answer = None


def test_collectors_are_waited_for_in_their_own_order(world, postgres, database):
    """They lock users before counters: whoever took them the other way round would deadlock with them."""
    world.send(life_of("ann") + life_of("bob"))
    with psycopg.connect(postgres.url(database)) as collector:
        collector.execute("update users set last_hour = last_hour where user_id = 'ann'")
        asking = Asking(world, "ann")
        wait_until(lambda: waiting_for_locks(world.owner))
        collector.execute("select count from event_counts order by hour, event_type, source, slot for update")
        collector.execute("update event_counts set count = count + 1 where event_type = 'view'")
        collector.commit()
    asking.join()
    assert asking.answer.status_code == 200
    assert asking.answer.json()["counts"]["events"] == 15
    # Three views of bob's on each of the three days, and the one more in each counter; of counters that both had, one is left.
    ((views,),) = world.owner.execute("select sum(count) from event_counts where event_type = 'view'").fetchall()
    assert views == 9 + 9


@pytest.mark.parametrize("how", ["the service is killed", "its session is ended", "the database crashes"])
def test_what_is_broken_off_was_not_done(own_postgres, start_service, how):
    with psycopg.connect(own_postgres.url("events"), autocommit=True, options="-c timezone=UTC") as owner:
        world = World(own_postgres, "events", start_service, owner)
        world.send(life_of("ann") + life_of("bob"))
        world.maintain()
        before = contents(owner)
        other = psycopg.connect(own_postgres.url("events"))
        with contextlib.closing(other):
            # The last thing that it does is to count.
            other.execute("select from event_counts for update")
            asking = Asking(world, "ann")
            wait_until(lambda: waiting_for_locks(owner))
            if how == "the service is killed":
                world.query.kill()
            elif how == "its session is ended":
                owner.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'control'"
                )
            else:
                own_postgres.stop("immediate")
        asking.join()
        assert asking.answer is None or asking.answer.status_code == 503
    if how == "the database crashes":
        own_postgres.start()
    with psycopg.connect(own_postgres.url("events"), autocommit=True, options="-c timezone=UTC") as owner:
        assert contents(owner) == before
        assert owner.execute("select count(*) from erasures").fetchone() == (0,)
        world.owner = owner
        service = world.start_query()
        assert world.erase("ann", service=service).json()["counts"]["events"] == 15


def test_a_service_that_is_killed_lets_go_of_what_its_erasure_has_locked(world):
    world.reject("ann", "default")
    world.owner.execute(
        """create function dawdle() returns trigger language plpgsql as $$ begin perform pg_sleep(600); return old; end $$"""
    )
    world.owner.execute("create trigger dawdle before delete on rejections for each row execute function dawdle()")
    locked = "select count(*) from pg_locks where relation = 'erasures'::regclass and granted"
    asking = Asking(world, "ann")
    wait_until(lambda: world.owner.execute(locked).fetchone() == (1,))
    world.query.kill()
    asking.join()
    wait_until(lambda: world.owner.execute(locked).fetchone() == (0,))


def test_what_takes_too_long_is_a_504_and_was_not_done(world):
    impatient = world.start_query(ERASE_SECONDS=0.2)
    world.send(life_of("ann"))
    before, headers = contents(world.owner), world.admin()
    with world.owner.transaction():
        world.owner.execute("lock table event_counts in share mode")
        answer = world.erase("ann", headers, service=impatient)
    assert (answer.status_code, answer.json()["code"]) == (504, "statement_timeout")
    assert "Nothing was done" in answer.json()["detail"]
    assert contents(world.owner) == before


def test_whoever_waits_too_long_for_others_is_told_to_ask_again(postgres, database, owner, monkeypatch):
    monkeypatch.setattr(erasure, "LOCK_SECONDS", 0.2)
    admin = Principal("token", "x", frozenset(SCOPES), None)
    with erasure.ConnectionPool(postgres.url(database, "control"), kwargs={"autocommit": True}, open=True) as pool:
        eraser = erasure.Eraser(pool, Signer(make_signing_key()), 10)
        with owner.transaction():
            owner.execute("lock table erasures in exclusive mode")
            with pytest.raises(Problem) as refused:
                eraser.run("erase", "ann", "linked", admin)
        assert (refused.value.status, refused.value.code) == (503, "busy")
        assert eraser.run("erase", "ann", "linked", admin).counts == NOBODY


def test_counts_stay_exact_while_collectors_write_and_upkeep_goes_on(world, postgres, database):
    """Users who come back are erased again and again, in hours that others write to, that are folded and summed up."""
    # However slow the machine is: what is late isn't wrong.
    url, patient = postgres.url(database, "collector"), {"STATEMENT_SECONDS": 50, "STORE_SECONDS": 60}
    collectors = [world.start_service("collector", DATABASE_URL=url, **patient) for _ in range(2)]
    stop = threading.Event()
    outcomes = Counter()

    def send(collector, lane):
        number = 0
        with requests.Session() as session:
            session.trust_env = False  # maintenance changes the environment meanwhile
            while not stop.is_set():
                number += 1
                batch = [
                    {
                        "user_id": f"user-{n % 5}",
                        "event_type": f"type-{n % 3}",
                        "timestamp": f"2026-03-0{1 + n % 4}T{n % 24:02}:00:{n % 60:02}Z",
                        "event_id": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{lane} {number} {n}")),
                        "properties": {"page": f"/{n % 7}"},
                    }
                    for n in range(200)
                ]
                answer = session.post(f"{collector.url}/events", json=batch, timeout=90)
                outcomes[answer.status_code] += 1
                if number % 3 == 0:  # what was erased meanwhile is stored again; what wasn't is a duplicate
                    outcomes[session.post(f"{collector.url}/events", json=batch, timeout=90).status_code] += 1

    senders = [threading.Thread(target=send, args=(collectors[lane % 2], lane)) for lane in range(4)]
    headers = world.admin()
    for sender in senders:
        sender.start()
    erased = []
    try:
        for turn in range(12):
            if turn % 3 == 0:
                world.maintain()
            erased.append(world.erase(f"user-{turn % 2}", headers))
    finally:
        stop.set()
        for sender in senders:
            sender.join()
    assert set(outcomes) == {200}
    assert {answer.status_code for answer in erased} == {200}
    assert sum(answer.json()["counts"]["events"] for answer in erased) > 0
    for user_id in ("user-0", "user-1"):
        world.erase(user_id).raise_for_status()
    world.maintain()
    counted = (
        """select date_bin('1 hour', "timestamp", 'epoch'), event_type, source, count(*) from events group by 1, 2, 3"""
    )
    kept = "select hour, event_type, source, sum(count) from event_counts group by 1, 2, 3"
    assert sorted(world.owner.execute(counted)) == sorted(world.owner.execute(kept))
    assert world.owner.execute("select distinct user_id from events order by 1").fetchall() == [
        (f"user-{n}",) for n in (2, 3, 4)
    ]

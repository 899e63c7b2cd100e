"""Erasing, anonymising and exporting a person: all ids that are linked to them, and the links, whatever is stored meanwhile."""

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
import pytest
import requests
from click.testing import CliRunner
from lock_waits import waiting_for_locks
from meanwhile import Meanwhile
from signing_key import make_signing_key
from storing import store
from waiting import wait_until
from world import World, contents

from event_tracker.cli.admin.receipt import check, read_receipt
from event_tracker.core.postgres.pool import open_pool
from event_tracker.core.secrets.hmac import commit, is_committed
from event_tracker.query.auth.principal import Principal
from event_tracker.query.auth.signing import Signer
from event_tracker.query.users import erasure as erasure_module
from event_tracker.query.users.erasure import Eraser

T0 = datetime(2026, 3, 1, 10, 0, tzinfo=UTC)
LINKS = "select source, alias, person, event_id from links order by 1, 2, 3"


@pytest.fixture
def world(postgres, database, start_service, owner):
    return World(postgres, database, start_service, owner)


@pytest.fixture
def other(owner):
    """A transaction of somebody else."""
    with psycopg.connect(owner.info.dsn) as connection:
        yield connection


def identify(number, user_id, alias, **more):
    """An event that links alias to the user."""
    return {
        "user_id": user_id,
        "event_type": "identify",
        "timestamp": T0 + timedelta(minutes=number),
        "event_id": UUID(int=number),
        "properties": json.dumps({"anonymous_id": alias}),
        **more,
    }


def view(number, user_id, **more):
    return {"user_id": user_id, "timestamp": T0 + timedelta(minutes=number), "event_id": UUID(int=number), **more}


ANN = [
    view(1, "visitor-of-ann"), identify(2, "ann-who-goes", "visitor-of-ann"), view(3, "tablet-of-ann"),
    identify(4, "ann-who-goes", "tablet-of-ann"), view(5, "ann-who-goes"), identify(6, "ann-who-goes@x", "ann-who-goes"),
]  # fmt: skip
BOB = [view(11, "visitor-of-bob"), identify(12, "bob", "visitor-of-bob"), view(13, "bob")]
IDS_OF_ANN = {"visitor-of-ann", "tablet-of-ann", "ann-who-goes", "ann-who-goes@x"}


def known(owner):
    """What is known of each user, and what their events say."""
    by_row = owner.execute("select user_id, first_seen, last_hour from users order by 1").fetchall()
    by_events = owner.execute(
        """select user_id, min("timestamp"), date_trunc('hour', max("timestamp")) from events group by 1 order by 1"""
    ).fetchall()
    return by_row, by_events


def rows_with(owner, text):
    tables = owner.execute(
        "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition"
    ).fetchall()
    return [t for (t,) in tables if text in repr(owner.execute(f'select row::text from "{t}" as row').fetchall())]


@pytest.mark.parametrize("mode", ["erase", "anonymise"])
@pytest.mark.parametrize("asked", ["ann-who-goes", "visitor-of-ann"])
def test_all_ids_of_a_person_and_their_links_are_gone(world, mode, asked, tmp_path):
    store(world.owner, *BOB)
    bobs = contents(world.owner), world.owner.execute(LINKS).fetchall()
    store(world.owner, *ANN)
    world.reject("tablet-of-ann", "default", b'{"user_id": "tablet-of-ann"}')
    answer = world.erase(asked, mode=mode).json()
    counts = {name: answer["counts"][name] for name in ("events", "rejections", "links", "users")}
    assert counts == {"events": 6, "rejections": 1, "links": 3, "users": 4}
    assert rows_with(world.owner, "-of-ann") == rows_with(world.owner, "ann-who-goes") == []
    if mode == "erase":
        assert (contents(world.owner), world.owner.execute(LINKS).fetchall()) == bobs
    # The receipt is of each id, and doesn't name any.
    keys = requests.get(f"{world.query.url}/.well-known/jwks.json", timeout=60).content
    claims = read_receipt(answer["receipt"], keys)
    assert is_committed(claims.user_hmac_sha256, answer["salt"], asked)
    assert claims.linked_hmac_sha256 == sorted(commit(answer["salt"], one) for one in IDS_OF_ANN - {asked})
    file, published = tmp_path / "receipt.json", tmp_path / "keys.json"
    file.write_text(json.dumps(answer))
    published.write_bytes(keys)
    for user_id in (*IDS_OF_ANN, "bob"):
        checked = CliRunner().invoke(check, [str(file), "--user", user_id, "--keys", str(published)])
        assert checked.exit_code == (user_id == "bob"), checked.output


def test_raw_erases_one_id_and_its_links(world):
    store(world.owner, *ANN, *BOB)
    counts = world.erase("tablet-of-ann", identity="raw").json()["counts"]
    assert (counts["events"], counts["links"], counts["users"]) == (1, 1, 1)
    assert {alias for _, alias, *_ in world.owner.execute(LINKS)} == {
        "ann-who-goes",
        "visitor-of-ann",
        "visitor-of-bob",
    }


def test_anonymised_ids_stay_one_person(world):
    store(world.owner, *ANN, *BOB)
    before = world.owner.execute("select timestamp, event_type, source from events order by 1").fetchall()
    world.erase("visitor-of-ann", mode="anonymise")
    assert world.owner.execute("select timestamp, event_type, source from events order by 1").fetchall() == before
    users = [
        user for (user,) in world.owner.execute("select distinct user_id from events where user_id like 'anonymous-%'")
    ]
    assert len(users) == 4
    for user_id in users:
        ((ids,),) = world.owner.execute("select person_ids(%s, null, null)", [user_id]).fetchall()
        assert sorted(ids) == sorted(users)
        life = requests.get(f"{world.query.url}/users/{user_id}", headers=world.admin(), timeout=60).json()
        assert life["events"] == 6
    new = dict(
        world.owner.execute("select l.event_id, e.user_id from links as l left join events as e using (event_id)")
    )
    assert not {UUID(int=number) for number in (2, 4, 6)} & new.keys()


def test_who_is_restricted_erases_the_ids_and_links_of_their_sources(world):
    for source in ("shop", "blog"):
        world.make_source(source)
    shop, blog = {"source": "shop"}, {"source": "blog"}
    store(
        world.owner, view(1, "a", **shop), identify(2, "ann", "a", **shop), view(3, "b", **shop),
        identify(4, "ann", "b", **blog), view(5, "a", **blog), view(6, "ann", **blog),
    )  # fmt: skip
    counts = world.erase("a", world.admin("shop")).json()["counts"]
    assert counts == {"events": 2, "rejections": 0, "links": 1, "event_counts": 2}
    left = world.owner.execute("select user_id, source from events order by timestamp").fetchall()
    assert left == [("b", "shop"), ("ann", "blog"), ("a", "blog"), ("ann", "blog")]
    assert [row[:3] for row in world.owner.execute(LINKS)] == [("blog", "b", "ann")]


def test_an_export_has_both_ids_as_stored(world):
    store(world.owner, *ANN, *BOB)
    url = f"{world.query.url}/users/tablet-of-ann/export"
    found = requests.get(url, headers=world.admin(), timeout=60).json()
    assert found["ids"][0] == "ann-who-goes@x"
    assert set(found["ids"]) == IDS_OF_ANN
    assert [e["user_id"] for e in found["events"]] == [e["user_id"] for e in reversed(ANN)]
    assert {row["user_id"] for row in found["users"]} == IDS_OF_ANN
    assert {(row["alias"], row["person"]) for row in found["links"]} == {
        ("visitor-of-ann", "ann-who-goes"), ("tablet-of-ann", "ann-who-goes"), ("ann-who-goes", "ann-who-goes@x"),
    }  # fmt: skip
    raw = requests.get(url, params={"identity": "raw"}, headers=world.admin(), timeout=60).json()
    assert (raw["ids"], len(raw["events"]), len(raw["links"])) == (["tablet-of-ann"], 1, 1)


def wait_for(world, asking, number=1):
    wait_until(lambda: waiting_for_locks(world.owner) >= number or not asking.is_alive())


@pytest.mark.parametrize("mode", ["erase", "anonymise"])
@pytest.mark.parametrize("minute", [0, 9], ids=["earlier", "later"])
def test_a_link_that_was_under_way_again_stays_with_its_event(world, other, mode, minute):
    """Its event is stored, as that of any event that was under way: so is its link, whichever of both was earlier."""
    store(world.owner, *ANN, *BOB)
    late = identify(50, "ann-who-goes", "visitor-of-ann", timestamp=T0 + timedelta(minutes=minute))
    store(other, late, slot=9)
    asking = Meanwhile(lambda: world.erase("ann-who-goes", mode=mode))
    wait_for(world, asking)
    other.commit()
    assert asking.end().json()["counts"]["events"] == 6
    of_ann = [row for row in world.owner.execute(LINKS) if "ann-who-goes" in row]
    assert of_ann == [("default", "visitor-of-ann", "ann-who-goes", UUID(int=50))]
    by_row, by_events = known(world.owner)
    assert by_row == by_events


@pytest.mark.parametrize("mode", ["erase", "anonymise"])
def test_a_link_that_is_committed_while_the_erasure_waits_is_of_the_person(world, other, mode):
    store(world.owner, *ANN, *BOB, view(30, "phone"))
    with psycopg.connect(world.owner.info.dsn) as upkeep:
        upkeep.execute("lock table erasures in exclusive mode")
        asking = Meanwhile(lambda: world.erase("ann-who-goes", mode=mode))
        wait_for(world, asking)
        store(world.owner, identify(31, "ann-who-goes", "phone"))
        upkeep.commit()
        assert asking.end().json()["counts"]["events"] == 8
    assert rows_with(world.owner, "phone") == rows_with(world.owner, "ann-who-goes") == []


def test_a_link_that_comes_when_the_person_is_gone_is_stored(world, other):
    store(world.owner, *ANN, *BOB)
    with psycopg.connect(world.owner.info.dsn, autocommit=True) as collector:
        # What an erasure does last is to write down that it was done.
        other.execute("lock table audit in access exclusive mode")
        asking = Meanwhile(lambda: world.erase("ann-who-goes"))
        wait_for(world, asking)
        storing = Meanwhile(lambda: store(collector, ANN[1], slot=9))  # a resend
        wait_for(world, storing, 2)
        other.commit()
        storing.end()
    assert asking.end().json()["counts"]["links"] == 3
    of_ann = [row for row in world.owner.execute(LINKS) if "ann-who-goes" in row]
    assert of_ann == [("default", "visitor-of-ann", "ann-who-goes", UUID(int=2))]
    by_row, by_events = known(world.owner)
    assert by_row == by_events


@pytest.fixture
def many_links(owner, monkeypatch):
    """Each statement that finds the person's ids is followed by one more id being linked, as if somebody went on and on. Those who
    would have to wait for the erasure give up."""
    refused, numbers, find = [], iter(range(100, 200)), erasure_module.find_ids

    def find_ids(*given):
        found, number = find(*given), next(numbers)
        with psycopg.connect(owner.info.dsn, options="-c lock_timeout=100ms") as collector:
            try:
                store(
                    collector,
                    view(number, f"phone-{number}"),
                    identify(number + 100, "ann-who-goes", f"phone-{number}"),
                )
            except psycopg.errors.LockNotAvailable:
                refused.append(number)
        return found

    monkeypatch.setattr(erasure_module, "find_ids", find_ids)
    return refused


@pytest.mark.parametrize("mode", ["erase", "anonymise"])
@pytest.mark.parametrize("sources", [None, frozenset(["default"])])
def test_a_person_whose_ids_go_on_being_linked(postgres, owner, database, many_links, mode, sources):
    store(owner, *ANN, *BOB)
    with open_pool(postgres.url(database, "control"), name="control", size=2, timeout=10, options={}) as pool:
        eraser = Eraser(pool, Signer(make_signing_key()), 60)
        done = eraser.run(mode, "ann-who-goes", "linked", Principal("token", "admin", frozenset(["admin"]), sources))
    # One was linked before the erasure began, one before the ids were looked for again; then nobody can.
    assert many_links == [102]
    assert (done.counts["events"], done.counts["links"]) == (6 + 2 * 2, 3 + 2)
    assert rows_with(owner, "ann-who-goes") == rows_with(owner, "phone") == []
    by_row, by_events = known(owner)
    assert by_row == by_events
    ((counted,), (stored,)) = owner.execute("select sum(count) from event_counts union all select count(*) from events")
    assert counted == stored
    announced = owner.execute("select count(*) from recent_erasures").fetchone()
    assert announced == (4 + 2,)


@pytest.mark.parametrize("mode", ["erase", "anonymise"])
def test_a_resend_that_waits_for_an_erased_event_and_a_new_link_are_no_deadlock(
    postgres, owner, database, monkeypatch, mode
):
    """The resend has begun to make a link of its own when it waits. So links can be locked only when it waits no more."""
    store(owner, *ANN, *BOB)
    collector = psycopg.connect(owner.info.dsn, autocommit=True)
    resends, looks, find = [], iter(range(3)), erasure_module.find_ids

    def find_ids(*given):
        if next(looks) == 1:  # the events of the ids that were found first are deleted
            store(owner, view(30, "phone"), identify(31, "ann-who-goes", "phone"), slot=2)
            resends.append(Meanwhile(lambda: store(collector, ANN[0], identify(40, "bob", "tablet-of-bob"), slot=9)))
            wait_until(lambda: waiting_for_locks(owner) or not resends[0].is_alive())
        return find(*given)

    monkeypatch.setattr(erasure_module, "find_ids", find_ids)
    with (
        collector,
        open_pool(postgres.url(database, "control"), name="control", size=2, timeout=10, options={}) as pool,
    ):
        eraser = Eraser(pool, Signer(make_signing_key()), 60)
        done = eraser.run(mode, "ann-who-goes", "linked", Principal("token", "admin", frozenset(["admin"]), None))
        resends[0].end()
    assert done.counts["events"] == len(ANN) + 2
    assert rows_with(owner, "ann-who-goes") == rows_with(owner, "phone") == []
    assert ("default", "tablet-of-bob", "bob", UUID(int=40)) in owner.execute(LINKS).fetchall()

"""A collector whose database takes no writes: 503 until it does, or until another server does."""

import psycopg
import requests
from replicas import either, sockets_of, standby_of, start_standby
from waiting import eventually, wait_until

ANN = {"user_id": "ann", "event_type": "view"}
READ_ONLY = (503, "1", "database_read_only")


def post(service):
    return requests.post(f"{service.url}/events", json=ANN, timeout=30)


def said(answer):
    return answer.status_code, answer.headers.get("Retry-After"), answer.json().get("code")


def health_of(service):
    answer = requests.get(f"{service.url}/healthz", timeout=30)
    return answer.status_code, answer.json()["parts"]["database"]


def set_read_only(server, value):
    server.execute(f"alter database events set default_transaction_read_only = {value}")
    # Sessions keep what they began with: new ones begin.
    server.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = 'events'")


def test_a_database_that_was_made_read_only_is_a_503_until_it_is_not(start_service, own_postgres):
    collector = start_service("collector", DATABASE_URL=own_postgres.url("events", "collector"))
    assert post(collector).status_code == 201
    set_read_only(own_postgres, "on")
    assert eventually(lambda: said(post(collector)) == READ_ONLY), said(post(collector))
    assert requests.get(f"{collector.url}/readyz", timeout=30).status_code == 200  # as in any outage
    failing = (503, {"status": "failing", "code": "database_read_only"})
    # It may take another session that was ended, and find that out first.
    assert eventually(lambda: health_of(collector) == failing), health_of(collector)
    own_postgres.execute("alter database events set default_transaction_read_only = off")
    # Nobody ends its sessions this time: it drops those that take no writes.
    assert eventually(lambda: post(collector).status_code == 201), said(post(collector))
    assert eventually(lambda: health_of(collector)[0] == 200), health_of(collector)


def test_a_collector_without_traffic_finds_that_the_database_takes_writes_again(start_service, own_postgres):
    collector = start_service("collector", DATABASE_URL=own_postgres.url("events", "collector"))
    set_read_only(own_postgres, "on")
    healthz = f"{collector.url}/healthz"
    assert eventually(lambda: requests.get(healthz, timeout=30).status_code == 503)
    own_postgres.execute("alter database events set default_transaction_read_only = off")
    assert eventually(lambda: requests.get(healthz, timeout=30).status_code == 200)


def test_a_server_that_fails_inside_is_a_503_and_its_connection_is_dropped(start_service, postgres, database, owner):
    collector = start_service("collector", DATABASE_URL=postgres.url(database, "collector"))
    owner.execute("""
        create function fail() returns trigger language plpgsql as
        $$ begin raise exception 'for a test' using errcode = 'XX000'; end $$;
        create trigger fail before insert on events execute function fail();
    """)
    sessions = "select array_agg(pid order by pid) from pg_stat_activity where application_name = 'collector'"
    known = set(owner.execute(sessions).fetchone()[0])
    assert said(post(collector)) == (503, "1", "database_unavailable")
    wait_until(lambda: not known <= set(owner.execute(sessions).fetchone()[0] or []), "a session is dropped")
    owner.execute("drop trigger fail on events")
    assert eventually(lambda: post(collector).status_code == 201)


def test_a_collector_on_a_standby_is_unready_until_it_is_promoted(start_service, own_postgres):
    with standby_of(own_postgres) as standby:
        collector = start_service("collector", DATABASE_URL=standby.url("events", "collector"), wait=False)
        readyz = f"{collector.url}/readyz"
        assert eventually(lambda: reached(readyz)), collector.last_words()
        assert eventually(lambda: said(requests.get(readyz, timeout=30)) == READ_ONLY), said(
            requests.get(readyz, timeout=30)
        )
        assert said(post(collector)) == READ_ONLY
        assert requests.get(f"{collector.url}/healthz", timeout=30).status_code == 503
        standby.promote()
        collector.wait_ready()
        assert eventually(lambda: post(collector).status_code == 201)


def reached(url):
    try:
        return requests.get(url, timeout=30) is not None
    except requests.ConnectionError:
        return False


def test_a_primary_that_comes_back_as_a_standby_is_left_for_the_new_one(start_service, own_postgres):
    """A change-over by plan: the old primary answers all the time, at last as a standby."""
    with standby_of(own_postgres) as standby:
        collector = start_service("collector", DATABASE_URL=either(own_postgres, standby, role="collector"))
        assert post(collector).status_code == 201
        own_postgres.stop()
        standby.promote()
        folder = own_postgres.server.pgdata
        (folder / "standby.signal").touch()
        with (folder / "postgresql.auto.conf").open("a") as conf:
            conf.write(f"\nprimary_conninfo = 'host={sockets_of(standby)} user=postgres'\n")
        start_standby(own_postgres)
        assert eventually(lambda: post(collector).status_code == 201)
        with psycopg.connect(standby.url("events")) as connection:
            assert connection.execute("select count(*) from events").fetchone()[0] >= 2

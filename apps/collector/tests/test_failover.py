"""The primary is cut off and dies; its synchronous standby takes over with all that was acknowledged."""

import psycopg
from clients import Clients
from replicas import ask_for, asked, crash, either, standby_of
from waiting import wait_until

WAITING = "select from pg_stat_activity where wait_event = 'SyncRep' and application_name = 'collector'"


def test_a_failover_to_a_synchronous_standby_loses_nothing_acknowledged(start_service, own_postgres):
    with standby_of(own_postgres) as standby:
        ask_for(own_postgres, "FIRST 1 (b)")
        synchronous = "select from pg_stat_replication where sync_state = 'sync'"
        wait_until(lambda: asked(own_postgres, synchronous) is not None, "the standby is synchronous")
        collector = start_service("collector", DATABASE_URL=either(own_postgres, standby, role="collector"))
        with Clients([collector.url]) as clients:
            clients.wait_acknowledged(200)
            standby.cut()
            # The primary goes on alone: what it commits now is on no standby, and is acknowledged to nobody.
            wait_until(lambda: asked(own_postgres, WAITING) is not None, "a commit waits for the standby")
            crash(own_postgres)
            standby.promote()
            clients.wait_acknowledged(200)
        assert clients.lost == []
        assert 500 not in clients.statuses
        with psycopg.connect(standby.url("events")) as owner:
            owner.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            stored = [row[0] for row in owner.execute("select event_id::text from events")]
            (counted,) = owner.execute("select sum(count) from event_counts").fetchone()
        assert clients.acknowledged - set(stored) == set()
        assert len(stored) == len(set(stored)) == counted

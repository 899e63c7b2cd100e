"""The views of the schema product, and the role grafana that reads them."""

from collections.abc import Iterator

import psycopg
import pytest
from folders import data_folder
from servers import Postgres

from event_tracker.cli.settings import CHECKOUT_MIGRATIONS
from event_tracker.core.postgres.migrate import apply_migrations

pytestmark = pytest.mark.services

STORE = """
with stored as (
  insert into events (user_id, "timestamp", event_id, event_type, session_id, source, properties)
  select 'user-' || number % 7, timestamptz '2026-03-01 10:00:00+00' + number * interval '17 minutes', gen_random_uuid(),
    (array['click', 'view', 'it''s'])[1 + number % 3], 'session', (array['default', 'import'])[1 + number % 2], '{"secret": 1}'
  from generate_series(1, 500) as number
  returning "timestamp", event_type, source
)
insert into event_counts (hour, event_type, source, slot, count)
select date_bin('1 hour', "timestamp", timestamptz '2000-01-01 00:00:00+00'), event_type, source, 3, count(*) from stored group by 1, 2, 3
"""

READ_HOURS = "select hour, event_type, count from product.event_counts order by 1, 2"
COUNT_ROWS = "select date_trunc('hour', \"timestamp\"), event_type, count(*) from events group by 1, 2 order by 1, 2"


def as_grafana(url: str) -> psycopg.Connection:
    """A session with the settings of the role grafana, like one of Grafana."""
    return psycopg.connect(
        url.replace("//postgres@", "//grafana@").replace("//owner@", "//grafana@"),
        autocommit=True,
        options="-c timezone=UTC",
    )


@pytest.fixture
def grafana(postgres: Postgres, database: str, owner: psycopg.Connection) -> Iterator[psycopg.Connection]:
    """A connection of the role grafana, to a database with 500 events."""
    owner.execute(STORE)
    with as_grafana(postgres.url(database)) as connection:
        yield connection


def test_the_counts_by_hour_are_those_of_the_rows(grafana, owner):
    counts = grafana.execute(READ_HOURS).fetchall()
    assert counts == owner.execute(COUNT_ROWS).fetchall()
    assert sum(count for _, _, count in counts) == 500


def test_counts_of_several_slots_and_sources_are_one_row(grafana, owner):
    owner.execute("update event_counts set slot = 4 where source = 'import'")
    assert grafana.execute(READ_HOURS).fetchall() == owner.execute(COUNT_ROWS).fetchall()


def test_the_events_are_the_rows_without_what_nobody_needs_to_see(grafana, owner):
    rows = grafana.execute("table product.events").fetchall()
    assert sorted(rows) == sorted(owner.execute('select "timestamp", event_type, user_id from events').fetchall())
    shown = (
        "select table_name, column_name from information_schema.columns where table_schema = 'product' order by 1, 2"
    )
    assert owner.execute(shown).fetchall() == [
        *(("event_counts", name) for name in ("count", "event_type", "hour")),
        *(("events", name) for name in ("event_type", "timestamp", "user_id")),
    ]


@pytest.mark.parametrize(
    "statement",
    [
        "table events",
        "table events_default",
        "select properties from events",
        "table event_counts",
        "table _yoyo_migration",
    ],
)
def test_grafana_reads_no_table(grafana, statement):
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        grafana.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "insert into product.events values (now(), 'click', 'ann')",
        "update product.events set event_type = 'x'",
        "delete from product.events",
        "insert into events (user_id, timestamp, event_id, event_type) values ('ann', now(), gen_random_uuid(), 'click')",
        "update event_counts set count = 9",
        "truncate events",
        "drop view product.events",
        "create table product.mine (a int)",
        "create table public.mine (a int)",
        "set role collector",
        "alter role grafana createdb",
    ],
)
@pytest.mark.parametrize("read_only", ["on", "off"])
def test_grafana_changes_nothing_even_if_its_session_isnt_read_only(grafana, statement, read_only):
    grafana.execute(f"set default_transaction_read_only = {read_only}")
    refusals = (psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction)
    with pytest.raises(refusals[:1] if read_only == "off" else refusals):
        grafana.execute(statement)


@pytest.mark.parametrize("role", ["collector", "query"])
def test_the_services_have_no_business_there(postgres, database, role):
    with (
        psycopg.connect(postgres.url(database, role)) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("table product.events")


def test_a_session_of_grafana_is_read_only_and_its_statements_are_short(grafana):
    for name, value in [("default_transaction_read_only", "on"), ("statement_timeout", "15s")]:
        assert grafana.execute(f"show {name}").fetchone() == (value,)


def test_conditions_on_time_reach_the_tables(grafana, owner):
    """Otherwise each panel would read all events. It runs as the owner, since grafana may not EXPLAIN."""
    owner.execute("create table events_2026_02 partition of events for values from ('2026-02-01') to ('2026-03-01')")
    owner.execute("set enable_seqscan = off")

    def plan(sql: str) -> str:
        return "\n".join(line for (line,) in owner.execute(f"explain {sql}"))

    counts = plan("select * from product.event_counts where hour between '2026-03-02Z' and '2026-03-03Z'")
    assert "Index Cond" in counts
    assert "event_counts_pkey" in counts
    events = plan("""select * from product.events where "timestamp" between '2026-02-10Z' and '2026-02-11Z'""")
    assert 'Index Cond: (("timestamp" >= ' in events
    assert "events_default" not in events
    assert "Filter" not in plan("select * from product.events where event_type in (event_type)")


@pytest.fixture
def bare_postgres() -> Iterator[Postgres]:
    """A server without our roles. It has only the role `owner`, which isn't a superuser, with a database `events`."""
    with data_folder() as folder:
        server = Postgres(folder)
        server.execute("create role owner login createrole")
        server.execute("create database events owner owner")
        yield server
        server.stop("immediate")


def owner_url(server: Postgres, database: str = "events") -> str:
    return server.url(database).replace("//postgres@", "//owner@")


def grafana_role(server: Postgres) -> tuple[object, ...] | None:
    with psycopg.connect(server.url()) as connection:
        asked = (
            "select rolcanlogin, rolconnlimit, rolconfig, rolsuper, rolinherit from pg_roles where rolname = 'grafana'"
        )
        return connection.execute(asked).fetchone()


def test_an_owner_that_isnt_superuser_makes_the_role_and_its_settings(bare_postgres):
    apply_migrations(owner_url(bare_postgres), CHECKOUT_MIGRATIONS)
    settings = ["default_transaction_read_only=on", "statement_timeout=15s"]
    assert grafana_role(bare_postgres) == (True, 10, settings, False, True)
    with as_grafana(owner_url(bare_postgres)) as connection:
        assert connection.execute("select count(*) from product.events").fetchone() == (0,)


def test_a_role_that_was_there_before_keeps_its_settings(bare_postgres):
    """An administrator has created the role, so the owner may use it but not change it."""
    bare_postgres.execute("create role grafana login connection limit 3")
    apply_migrations(owner_url(bare_postgres), CHECKOUT_MIGRATIONS)
    assert grafana_role(bare_postgres) == (True, 3, None, False, True)
    with as_grafana(owner_url(bare_postgres)) as connection:
        assert connection.execute("select count(*) from product.events").fetchone() == (0,)


def test_a_second_database_on_the_server_shares_the_role(bare_postgres):
    bare_postgres.execute("create database other owner owner")
    for database in ("events", "other"):
        apply_migrations(owner_url(bare_postgres, database), CHECKOUT_MIGRATIONS)
        with as_grafana(owner_url(bare_postgres, database)) as connection:
            assert connection.execute("select count(*) from product.events").fetchone() == (0,)

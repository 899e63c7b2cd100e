"""GET /events/export: each event of a filter once, in order, in each format, also if it is split, interrupted and resumed."""

import csv
import gzip
import io
import json
import random
import re
import socket
import threading
import uuid
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import psycopg
import pyarrow.parquet
import pytest
import requests
from waiting import wait_until

COLUMNS = ["user_id", "event_type", "timestamp", "event_id", "session_id", "properties", "received_at", "source"]
DAY = timedelta(days=1)
T0 = datetime(2026, 3, 1, 10, 0, tzinfo=UTC)

MANY = """
    insert into events (user_id, "timestamp", event_id, event_type, session_id, properties)
    select 'u' || n % 997, timestamptz '2026-03-01 10:00+00' + n * {step}, gen_random_uuid(), 't' || n % 3, null,
      jsonb_build_object('n', n, 'text', repeat('x', {text}))
    from generate_series(1, {rows}) as n
"""
COUNTED = """
    insert into event_counts (hour, event_type, source, slot, count)
    select date_bin('1 hour', "timestamp", timestamptz '2000-01-01 00:00:00+00'), event_type, source, 0, count(*)
    from events group by 1, 2, 3
"""


def fill(owner, rows, step="interval '1 s'", text=0):
    owner.execute(MANY.format(rows=rows, step=step, text=text))
    owner.execute(COUNTED)
    owner.execute("analyze events")


def ndjson(answer):
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.split("\n")[:-1]]


def key(event):
    return (event["timestamp"], event["user_id"], event["event_id"])


def place(event):
    return f"{event['timestamp']},{event['event_id']},{event['user_id']}"


@pytest.fixture
def export(get):
    def export(**parameters):
        return ndjson(get("/events/export", **parameters))

    return export


@pytest.fixture
def all_keys(shared_owner):
    """The keys of all stored events as the export should tell them."""

    def all_keys(where="true"):
        rows = shared_owner.execute(
            f'select "timestamp", user_id, event_id::text from events where {where} order by 1 desc, 2 desc, received_at desc, 3 desc'
        ).fetchall()
        return [(moment.astimezone(UTC).isoformat().replace("+00:00", "Z"), user, id_) for moment, user, id_ in rows]

    return all_keys


ODD = {
    "user_id": 'ann, "the\r\nfirst" = é',
    "event_type": "=1+1\n",
    "session_id": "'",
    "properties": {"a,b": 'x"y\r\n', "n": 1.50, "deep": {"é": [None, True]}},
    "timestamp": T0 + timedelta(microseconds=1),
}


def test_ndjson_has_the_lines_of_the_list(get, store):
    store([ODD, {}])
    answer = get("/events/export")
    assert answer.headers["Content-Type"] == "application/x-ndjson", answer.text
    assert answer.headers["Content-Disposition"] == 'attachment; filename="events.ndjson"'
    assert answer.headers["Vary"] == "Accept-Encoding"
    listed = get("/events", from_="2026-02-28T00:00:00Z", to="2026-03-02T00:00:00Z").json()["events"]
    assert ndjson(answer) == listed
    assert len(listed) == 2


def test_csv_reads_back(get, store):
    store([ODD, {}])
    answer = get("/events/export", format="csv")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8; header=present"
    head, *rows = csv.reader(io.StringIO(answer.content.decode(), newline=""), strict=True)
    assert head == COLUMNS
    expected = ndjson(get("/events/export"))
    read = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
    assert [
        {**row, "properties": json.loads(row["properties"]), "session_id": row["session_id"] or None} for row in read
    ] == expected
    assert read[0]["user_id"] == ODD["user_id"]
    assert answer.content.count(b"\r\n") == len(rows) + 1 + 1, "records end in CR LF; the other one is in a name"


def test_parquet_reads_back(get, store):
    store([ODD, {}])
    answer = get("/events/export", format="parquet")
    assert answer.headers["Content-Type"] == "application/vnd.apache.parquet"
    assert "Content-Encoding" not in answer.headers
    table = pyarrow.parquet.read_table(io.BytesIO(answer.content))
    assert table.column_names == COLUMNS
    assert str(table.schema.field("timestamp").type) == "timestamp[us, tz=UTC]"
    read = table.to_pylist()
    assert read[0]["timestamp"] == ODD["timestamp"]
    told = [
        {**row, "properties": json.loads(row["properties"]), **{name: row[name].isoformat().replace("+00:00", "Z") for name in ("timestamp", "received_at")}}
        for row in read
    ]  # fmt: skip
    assert told == ndjson(get("/events/export"))


@pytest.mark.parametrize("name", ["ndjson", "csv", "parquet"])
def test_nothing_is_an_empty_file(get, name):
    answer = get("/events/export", format=name, user_id="nobody")
    assert answer.status_code == 200
    if name == "ndjson":
        assert answer.content == b""
    elif name == "csv":
        assert answer.text == ",".join(COLUMNS) + "\r\n"
    else:
        assert pyarrow.parquet.read_table(io.BytesIO(answer.content)).num_rows == 0


@pytest.mark.parametrize("parameters", [{}, {"user_id": "u1"}, {"event_type": "t1"}, {"property.n": "77"}])
def test_many_pages_are_one_list(export, shared_owner, all_keys, parameters):
    fill(shared_owner, 20_000, "interval '7 s'")
    where = {"user_id": "user_id = 'u1'", "event_type": "event_type = 't1'", "property.n": "properties ->> 'n' = '77'"}
    expected = all_keys(where[next(iter(parameters))] if parameters else "true")
    assert expected
    assert [key(event) for event in export(**parameters)] == expected


def test_equal_timestamps_are_many_pages(export, shared_owner, all_keys):
    fill(shared_owner, 12_000, "interval '0 s'")
    assert [key(event) for event in export()] == all_keys()


def test_large_properties_are_many_pages(export, shared_owner, all_keys):
    """A page ends at 4 MiB; rows behind it aren't lost, whether they are larger or smaller than those before."""
    fill(shared_owner, 600, text=40_000)
    shared_owner.execute("update events set properties = '{}' where properties ->> 'n' = '300'")
    shared_owner.execute(
        "update events set properties = jsonb_build_object('x', repeat('x', 9000000)) where properties ->> 'n' in ('301', '599')"
    )
    assert [key(event) for event in export()] == all_keys()


def test_years_of_emptiness_and_every_partition_are_crossed(get, store, shared_owner, all_keys):
    """The default partition holds the first and the last of all years; a month of its own lies in between."""
    shared_owner.execute(
        "create table if not exists events_2026_03 partition of events for values from ('2026-03-01') to ('2026-04-01')"
    )
    try:
        first, last = datetime(1, 1, 1, tzinfo=UTC), datetime(9998, 12, 31, 23, 59, 59, 999999, UTC)
        store({"timestamp": moment} for moment in (first, T0 - 9000 * DAY, T0, T0 + DAY, T0 + 40 * DAY, last))
        before = statements(get)
        assert [key(event) for event in ndjson(get("/events/export"))] == all_keys()
        assert statements(get) - before < 10, "it crawls through the empty years"
    finally:
        shared_owner.execute("truncate events")
        shared_owner.execute("drop table events_2026_03")


def statements(get):
    text = get("/metrics").text
    line = next(
        (
            line
            for line in text.splitlines()
            if line.startswith('query_db_duration_seconds_count{query="export_events"}')
        ),
        "x 0",
    )
    return float(line.split()[-1])


def test_counts_only_guide(export, shared_owner, all_keys):
    """Events without counts, and counts of events that are gone, as retention leaves them."""
    fill(shared_owner, 6000, "interval '20 min'")
    shared_owner.execute("delete from events where \"timestamp\" < '2026-04-01'")
    shared_owner.execute("delete from event_counts where hour >= '2026-05-01'")
    assert [key(event) for event in export()] == all_keys()


def test_sparse_hours_are_followed_beyond_the_first_look(export, shared_owner, all_keys):
    fill(shared_owner, 1300, "interval '90 min'")
    assert [key(event) for event in export()] == all_keys()


def test_from_to_and_limit_bound_it(export, store, minutes):
    store({"timestamp": minutes(n), "event_type": str(n)} for n in range(10))
    bounds = {"from_": minutes(2).isoformat(), "to": minutes(8).isoformat()}
    for filters in ({}, {"user_id": "ann"}):
        assert [event["event_type"] for event in export(**filters, **bounds)] == list("765432")
        assert [event["event_type"] for event in export(**filters, **bounds, limit=4)] == list("7654")


def test_a_limit_beyond_a_page(export, shared_owner, all_keys):
    fill(shared_owner, 7000)
    assert [key(event) for event in export(limit=6001)] == all_keys()[:6001]


@pytest.mark.parametrize("filters", [{}, {"user_id": "ann, bob"}, {"event_type": "view"}], ids=str)
def test_resuming_anywhere_tells_exactly_the_rest(export, store, filters):
    """Behind every single event, ties included, and with a user whose name has a comma."""
    dice = random.Random(1)
    store(
        {"user_id": dice.choice(["ann, bob", "zoë"]), "timestamp": T0 + timedelta(minutes=dice.choice([1, 2, 3])), "event_id": UUID(int=dice.getrandbits(128), version=4)}
        for _ in range(30)
    )  # fmt: skip
    whole = export(**filters)
    assert len(whole) >= 10
    for number, event in enumerate(whole):
        assert export(after=place(event), **filters) == whole[number + 1 :]


@pytest.mark.parametrize(
    "filters", [{"user_id": "u1"}, {"from_": "2026-03-01T00:00:00Z", "to": "2026-03-03T00:00:00Z"}], ids=str
)
def test_a_cursor_of_the_list_goes_on_as_an_export(get, export, shared_owner, filters):
    fill(shared_owner, 3000)
    page = get("/events", limit=2, **filters).json()
    assert page["events"] + export(cursor=page["next_cursor"], **filters) == export(**filters)


def test_a_place_at_or_behind_the_end_lets_nothing_in(export, store, minutes):
    store({"timestamp": minutes(n), "event_type": str(n)} for n in range(4))
    for after in (minutes(2), minutes(3), minutes(9)):
        for filters in ({}, {"user_id": "ann"}):
            events = export(
                to=minutes(2).isoformat(), after=f"{after.isoformat()},{UUID(int=2**128 - 1)},ann", **filters
            )
            assert [event["event_type"] for event in events] == ["1", "0"]


REFUSED = [
    ({"format": "xml"}, "format", "invalid_choice"),
    ({"limit": "0"}, "limit", "invalid_number"),
    ({"limit": "x"}, "limit", "invalid_integer"),
    ({"after": "2026-03-01T10:00:00Z"}, "after", "invalid_after"),
    ({"after": f"yesterday,{UUID(int=1)},ann"}, "after", "invalid_timestamp"),
    ({"after": "2026-03-01T10:00:00Z,1,ann"}, "after", "invalid_after"),
    ({"after": f"2026-03-01T10:00:00Z,{UUID(int=1)},"}, "after", "length"),
    (
        {"after": f"2026-03-01T10:00:00Z,{UUID(int=1)},bob", "user_id": "ann", "identity": "raw"},
        "after",
        "invalid_after",
    ),
    ({"cursor": "x"}, "cursor", "invalid_cursor"),
    ({"from": "2026-03-02T00:00:00Z", "to": "2026-03-01T00:00:00Z"}, "from", "reversed_range"),
    ({"window": "1"}, "window", "unknown_parameter"),
]


@pytest.mark.parametrize(("parameters", "name", "code"), REFUSED, ids=lambda value: str(value)[:40])
def test_wrong_parameters_are_told(get, parameters, name, code):
    answer = get("/events/export", **parameters)
    assert answer.status_code == 422, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    (error,) = answer.json()["errors"]
    assert (error["parameter"], error["code"]) == (name, code)


def test_a_cursor_and_a_place_are_one_too_many(get, store, minutes):
    store({"timestamp": minutes(n)} for n in range(3))
    cursor = get("/events", user_id="ann", limit=1).json()["next_cursor"]
    answer = get("/events/export", user_id="ann", cursor=cursor, after=f"2026-03-01T10:00:00Z,{UUID(int=1)},ann")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["code"] == "invalid_after"
    assert get("/events/export", user_id="bob", cursor=cursor).json()["errors"][0]["code"] == "other_filters"


@pytest.mark.parametrize("name", ["ndjson", "csv"])
def test_gzip_is_the_same_file_compressed(shared_query, shared_owner, get, name):
    fill(shared_owner, 3000)
    url = f"{shared_query.url}/events/export?format={name}"
    with requests.get(url, headers={"Accept-Encoding": "gzip"}, stream=True, timeout=30) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        compressed = answer.raw.read(decode_content=False)
    plain = requests.get(url, headers={"Accept-Encoding": "identity"}, timeout=30)
    assert "Content-Encoding" not in plain.headers
    assert gzip.decompress(compressed) == plain.content
    assert len(compressed) < len(plain.content) / 3
    assert "Content-Encoding" not in requests.get(url, headers={"Accept-Encoding": "gzip;q=0"}, timeout=30).headers


def test_nothing_is_lost_or_doubled_while_events_arrive(
    shared_query, shared_owner, postgres, shared_database, all_keys
):
    fill(shared_owner, 20_000)
    there = all_keys()
    done = threading.Event()

    def insert():
        dice = random.Random(2)
        with psycopg.connect(postgres.url(shared_database), autocommit=True) as connection:
            while not done.is_set():
                connection.execute(
                    "insert into events (user_id, timestamp, event_id, event_type) values ('new', %s, %s, 'new')",
                    [T0 + timedelta(seconds=dice.uniform(0, 20_000)), uuid.uuid4()],
                )

    with ThreadPoolExecutor(1) as pool:
        inserting = pool.submit(insert)
        try:
            with requests.get(f"{shared_query.url}/events/export", stream=True, timeout=30) as answer:
                exported = [key(json.loads(line)) for line in answer.iter_lines()]
        finally:
            done.set()
        inserting.result()
    order = [(datetime.fromisoformat(moment), *rest) for moment, *rest in exported]
    assert order == sorted(order, reverse=True)
    assert len(set(exported)) == len(exported), "an event was exported twice"
    assert set(there) <= set(exported), "an event was lost"
    assert {user for _, user, _ in set(exported) - set(there)} <= {"new"}


def resume(url, **parameters):
    """An NDJSON export by somebody who breaks off and resumes behind the last whole line again and again."""
    lines, tries = [], 0
    while True:
        tries += 1
        after = {"after": place(json.loads(lines[-1]))} if lines else {}
        with requests.get(
            url, params={**parameters, **after}, headers={"Accept-Encoding": "identity"}, stream=True, timeout=30
        ) as answer:
            assert answer.status_code == 200, answer.text
            got = b""
            for part in answer.iter_content(50_000):
                got += part
                if len(got) > 1_000_000:
                    break
            else:
                return lines + got.splitlines(), tries
        lines += got[: got.rfind(b"\n")].splitlines()


def test_breaking_off_and_resuming_reproduces_the_file(shared_query, shared_owner, get):
    fill(shared_owner, 20_000)
    lines, tries = resume(f"{shared_query.url}/events/export")
    assert tries > 3
    assert b"\n".join(lines) + b"\n" == get("/events/export").content


@contextmanager
def reading(service, query="", encoding="identity"):
    """An export whose beginning has been read and whose rest waits to be."""
    with requests.get(
        f"{service.url}/events/export{query}", headers={"Accept-Encoding": encoding}, stream=True, timeout=30
    ) as answer:
        assert answer.status_code == 200, answer.text
        parts = answer.iter_content(10_000)
        next(parts)
        yield parts


NOISE = """
    update events
    set properties = jsonb_build_object('text', array_to_string(array(select md5(random()::text || event_id) from generate_series(1, 20)), ''))
"""
"""What can't be compressed: however slowly it is read, Parquet, too, is more than fits between service and client."""


@pytest.mark.parametrize("query", ["", "?format=parquet"])
def test_a_database_that_breaks_in_the_middle_breaks_the_body_off(start_service, own_postgres, query):
    service = start_service("query", DATABASE_URL=own_postgres.url("events", "query"))
    with psycopg.connect(own_postgres.url("events"), autocommit=True) as owner:
        fill(owner, 30_000)
        owner.execute(NOISE)
    with reading(service, query) as parts:
        own_postgres.stop("immediate")
        with pytest.raises(requests.exceptions.ChunkedEncodingError, match="Response ended prematurely"):
            for _ in parts:
                pass
    refused = requests.get(f"{service.url}/events/export", timeout=30)
    assert refused.status_code == 503
    assert refused.json()["code"] == "database_unavailable"
    name = query.partition("=")[2] or "ndjson"
    assert (
        f'query_exports_total{{format="{name}",outcome="failed"}} 1.0'
        in requests.get(f"{service.url}/metrics", timeout=30).text
    )
    assert "an export broke off" in service.log.read_text()


def metric(service, name):
    text = requests.get(f"{service.url}/metrics", timeout=30).text
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))


def test_exports_at_once_are_bounded_and_a_client_that_leaves_makes_room(start_service, postgres, database, owner):
    service = start_service("query", DATABASE_URL=postgres.url(database, "query"), EXPORTS=2)
    fill(owner, 60_000, text=300)
    with reading(service), reading(service):
        refused = requests.get(f"{service.url}/events/export", timeout=30)
        assert refused.status_code == 503
        assert refused.json()["code"] == "busy"
        assert "Retry-After" in refused.headers
        assert metric(service, "http_requests_in_progress") == 3, "both exports, and this question"
        # The connections are lent out for a page only, so others find theirs.
        for _ in range(20):
            assert requests.get(f"{service.url}/events?user_id=u1", timeout=30).status_code == 200
    wait_until(lambda: metric(service, "http_requests_in_progress") == 1, seconds=20)
    wait_until(lambda: metric(service, 'query_exports_total{format="ndjson",outcome="left"}') == 2, seconds=20)
    wait_until(lambda: metric(service, "db_pool_in_use") == 0, seconds=20)  # one that is being opened counts
    assert requests.get(f"{service.url}/events/export?limit=1", timeout=30).status_code == 200
    assert requests.head(f"{service.url}/events/export", timeout=30).status_code == 200
    for _ in range(4):
        assert requests.get(f"{service.url}/events/export?limit=x", timeout=30).status_code == 422
    assert requests.get(f"{service.url}/events/export?limit=1", timeout=30).status_code == 200


def test_a_connection_serves_on_after_an_export(shared_query, shared_owner):
    fill(shared_owner, 2000)
    with requests.Session() as session:
        for _ in range(3):
            assert len(ndjson(session.get(f"{shared_query.url}/events/export", timeout=30))) == 2000
            assert session.get(f"{shared_query.url}/events?user_id=u1", timeout=30).status_code == 200


SLOW = """
    create function sleeps() returns boolean language plpgsql as 'begin perform pg_sleep(0.001); return true; end';
    create policy slow on events for select to query using (sleeps());
    alter table events enable row level security
"""
"""To read a row takes a millisecond, or more."""


def test_a_slice_that_takes_too_long_is_cut(start_service, postgres, database, owner):
    """All in one slice, because nothing is counted; to read it takes three times what a statement may, however fast the machine is."""
    owner.execute(MANY.format(rows=3000, step="interval '1 s'", text=0))
    owner.execute(SLOW)
    service = start_service("query", DATABASE_URL=postgres.url(database, "query"), STATEMENT_SECONDS=1)
    first = owner.execute('select min("timestamp") from events').fetchone()[0]
    bounds = {"from": first.isoformat(), "to": (first + timedelta(seconds=3000)).isoformat()}
    with requests.get(f"{service.url}/events/export", params=bounds, stream=True, timeout=60) as answer:
        assert answer.status_code == 200, answer.text
        count = sum(1 for _ in answer.iter_lines())
    assert count == 3000
    assert metric(service, 'db_errors_total{sqlstate_class="57"}') >= 1, "nothing was cut: the test shows nothing"


def test_a_locked_table_is_a_504_before_the_first_byte(start_service, postgres, database, owner):
    service = start_service("query", DATABASE_URL=postgres.url(database, "query"), STATEMENT_SECONDS=0.05)
    with owner.transaction():
        owner.execute("lock table events in access exclusive mode")
        answer = requests.get(f"{service.url}/events/export", timeout=30)
    assert answer.status_code == 504
    assert answer.json()["code"] == "statement_timeout"


def worker_of(service):
    """The pid of the process that answers."""
    children = Path(f"/proc/{service.process.pid}/task/{service.process.pid}/children").read_text().split()
    return int(children[0])


def most_memory(pid, answer):
    """The most bytes of memory that the process has while the answer is read, and the answer's length."""
    process = Path(f"/proc/{pid}")
    (process / "clear_refs").write_text("5")  # the peak begins again: proc_pid_clear_refs(5)
    size = sum(map(len, answer.iter_content(1 << 20)))
    peak = re.search(r"^VmHWM:\s+(\d+) kB$", (process / "status").read_text(), re.MULTILINE)
    return int(peak[1]) * 1024, size


def test_memory_stays_constant(start_service, postgres, database, owner):
    """120 MB of properties want no more than their first 30 MB; who holds half of the rest breaks the bound."""
    fill(owner, 120_000, text=1000)
    service = start_service("query", forked=False, DATABASE_URL=postgres.url(database, "query"))
    pid = worker_of(service)
    for query in ("?format=ndjson", "?format=csv", "?format=parquet"):
        peaks = []
        for limit in (30_000, 120_000):
            with requests.get(
                f"{service.url}/events/export{query}&limit={limit}",
                headers={"Accept-Encoding": "identity"},
                stream=True,
                timeout=60,
            ) as answer:
                answer.raise_for_status()
                peak, size = most_memory(pid, answer)
            peaks.append(peak)
        assert size > (1_000_000 if "parquet" in query else 120_000_000)
        assert peaks[1] - peaks[0] < 40 * 2**20, f"{query}: {(peaks[1] - peaks[0]) / 2**20:.0f} MiB"


def test_draining_lets_an_export_finish(start_service, postgres, database, owner):
    service = start_service("query", DATABASE_URL=postgres.url(database, "query"))
    fill(owner, 40_000, text=300)  # it must go through in the ten seconds that an export is given to finish
    whole = requests.get(f"{service.url}/events/export", timeout=30).content
    with reading(service) as parts:
        service.process.terminate()
        rest = b"".join(parts)
    assert len(rest) > 10_000_000
    assert whole.endswith(rest)
    assert service.stop() == 0


def test_a_sparse_stream_shows_its_head_early(shared_query, shared_owner):
    """Nothing matches in the newest slices, yet status and head are there: they don't wait for the first match."""
    fill(shared_owner, 30_000)
    host, port = shared_query.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as client:
        client.sendall(b"GET /events/export?property.n=1 HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n")
        assert client.recv(1000).startswith(b"HTTP/1.1 200 OK")
    assert zlib  # gzip streams are flushed at each page


def test_other_origins_may_export_when_they_are_allowed(start_service, postgres, shared_database):
    service = start_service(
        "query", DATABASE_URL=postgres.url(shared_database, "query"), CORS_ORIGINS="https://shop.example"
    )
    answer = requests.get(f"{service.url}/events/export", headers={"Origin": "https://shop.example"}, timeout=30)
    assert answer.headers["Access-Control-Allow-Origin"] == "https://shop.example"
    assert "Origin" in answer.headers["Vary"]
    assert "Accept-Encoding" in answer.headers["Vary"]

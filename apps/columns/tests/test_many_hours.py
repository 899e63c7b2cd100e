"""A question's time grows with its hours, and not with their square."""

from dataclasses import replace
from datetime import timedelta

from stored import DAY, EVERYTHING

from event_tracker.columns.loading.rows.hours import Hour, HourRows, Hours
from event_tracker.columns.loading.rows.pieces import whole_pieces
from event_tracker.columns.loading.spans import Span


class CountedSpan(Span):
    """A span that counts how often spans are looked up."""

    looked_up = 0

    def __hash__(self):
        CountedSpan.looked_up += 1
        return super().__hash__()


def look_ups(number):
    hours = [DAY + timedelta(hours=hour) for hour in range(number)]
    spans = [CountedSpan("shop", hour, hour + timedelta(hours=1), None, (), 1, 0) for hour in hours]
    missing = {span: span.start for span in spans}
    CountedSpan.looked_up = 0
    pieces = list(whole_pieces(missing, []))
    assert [span for piece in pieces for span in piece.spans] == spans
    return CountedSpan.looked_up


def test_four_times_the_hours_are_four_times_the_work():
    assert look_ups(800) <= 5 * look_ups(200)


def test_the_newest_rows_of_an_hour_are_taken():
    """Those read before may have lost their files."""
    hours, hour = Hours(), Hour("server", "shop", DAY, DAY + timedelta(hours=1), 0)
    for oldest, name in enumerate(["rows-old", "rows-new"]):
        hours.add(hour, HourRows(7, oldest, hour.end, (name,)))
    assert hours.find(hour, 7).files == ("rows-new",)


EVERY_SECOND_HOUR = """
with event as (
  select %(day)s + number * interval '2 hours' as hour, number from generate_series(0, %(last)s) as number
),
counted as (insert into event_counts (hour, event_type, source, slot, count) select hour, 'view', 'shop', 0, 1 from event)
insert into events (user_id, "timestamp", event_id, event_type, session_id, source, properties)
select case when number %% 12 = 0 then 'gone' else 'ann' end, hour, gen_random_uuid(), 'view', null, 'shop', '{}'
from event
"""


def test_thousands_of_hours_are_read_and_left_out(owner, open_engine):
    """One file has the rows of them all. When one event of each day but the first is erased, the hours of these days are read again,
    and the file has only those of the first day. With a comparison for each hour, each of the two questions took over a minute."""
    hours = 2400
    owner.execute(EVERY_SECOND_HOUR, {"day": DAY, "last": hours - 1})
    everything = replace(EVERYTHING, end=DAY + timedelta(hours=2 * hours))
    engine = open_engine(seconds=20)
    count = "select count(*) from events"
    assert engine.run(everything, count, {}).rows == [(hours,)]
    owner.execute("delete from events where user_id = 'gone' and timestamp > %s", [DAY])
    assert engine.run(everything, count, {}).rows == [(hours - hours // 12 + 1,)]

"""What is done before a question grows with its hours, and not with their square."""

from datetime import timedelta

from stored import DAY

from event_tracker.columns.loading.hours import Hour, Hours, Version
from event_tracker.columns.loading.pieces import whole_pieces
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
        hours.add(hour, Version(7, oldest, hour.end, (name,)))
    assert hours.find(hour, 7).files == ("rows-new",)

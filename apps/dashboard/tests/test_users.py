"""The list of users: those of the range and the types, each with all of their events, page by page."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from waiting import wait_until

PEOPLE = 60
PAGE = 50
OFTEN = 1100
"""The number of events of the last user, all newer than those of others. An older release looked at fewer for its list."""


def sent(user_id, time, event_type="view"):
    return {"user_id": user_id, "event_type": event_type, "timestamp": time.isoformat(), "event_id": str(uuid.uuid4())}


@pytest.fixture(scope="module")
def crowd(serve_events):
    """A dashboard with 60 users: number n came n hours after the first, n % 5 + 1 times; each tenth bought."""
    start = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=5)
    events = []
    for number in range(PEOPLE):
        came = start + timedelta(hours=number)
        times = OFTEN if number == PEOPLE - 1 else number % 5 + 1
        events += [sent(f"user-{number:02}", came + timedelta(seconds=second)) for second in range(times)]
        if number % 10 == 0:
            events.append(sent(f"user-{number:02}", came + timedelta(minutes=30), "buy"))
    with serve_events(events) as dashboard:
        yield dashboard


def listed(visitor):
    return [(user, int(events.replace(",", ""))) for user, events, *_ in visitor.ranking("Users of the range")]


def pages(dashboard, sort, **more):
    """The API's pages."""
    asked = {"sort": sort, "limit": PAGE, **dashboard.last(7), **more}
    answers = [dashboard.ask("/events/users", offset=offset, **asked) for offset in (0, PAGE)]
    return [[(one["user_id"], one["events"]) for one in answer["users"]] for answer in answers]


def test_the_list_has_every_user_with_all_of_their_events(visit, crowd):
    first, second = pages(crowd, "last")
    assert first[0] == ("user-59", OFTEN)
    assert len({user for user, _ in first + second}) == PEOPLE
    visitor = visit(crowd).open("users", range="7 days")
    assert listed(visitor) == first
    visitor.page.get_by_text("1 to 50 of 60 users").wait_for()
    visitor.page.get_by_role("button", name="Page 2", exact=False).click()
    visitor.page.wait_for_url("**page=2**")
    wait_until(lambda: listed(visitor) == second)
    visitor.page.get_by_text("51 to 60 of 60 users").wait_for()


def test_a_page_is_in_the_link_and_another_list_begins_with_the_first(visit, crowd):
    first, second = pages(crowd, "last")
    visitor = visit(crowd).open("users", range="7 days", page="2")
    assert listed(visitor) == second
    assert listed(visitor.open("users", range="7 days", page="99")) == second
    visitor.page.get_by_role("radio", name="events", exact=True).click()
    wait_until(lambda: listed(visitor) == pages(crowd, "events")[0])
    visitor.page.wait_for_url("**sort=events**")
    visitor.page.reload()
    visitor.wait()
    assert listed(visitor) == pages(crowd, "events")[0]
    assert visitor.page.get_by_role("radio", name="events", exact=True).is_checked()
    assert listed(visitor.open("users", range="7 days", page="x")) == first


def test_a_row_leads_to_the_user_and_back_to_the_page(visit, crowd):
    second = pages(crowd, "last")[1]
    visitor = visit(crowd).open("users", range="7 days", page="2")
    visitor.page.get_by_role("link", name=second[0][0], exact=True).click()
    visitor.page.get_by_role("heading", name="Timeline").wait_for()
    visitor.wait()
    visitor.page.get_by_role("button", name="Clear value").click()
    wait_until(lambda: listed(visitor) == second)


def test_the_list_follows_the_types(visit, crowd):
    visitor = visit(crowd).open("users", range="7 days", filter="event_type:is:buy")
    assert listed(visitor) == [(f"user-{number:02}", 1) for number in (50, 40, 30, 20, 10, 0)]
    visitor.page.get_by_text("All 6 users with events that match the filters").wait_for()


def test_the_days_of_a_user_without_events_in_the_range_are_one_click_away(visit, dashboard):
    visitor = visit(dashboard).open("users", user="user-0", range="7 days")
    assert visitor.tile("Events in the range") == "0"
    visitor.page.get_by_role("button", name="Show those days").click()
    visitor.page.wait_for_url("**range=dates**")
    assert visitor.wait().tile("Events in the range") == "3"

"""The page of users in a real browser, with known events."""


def test_a_user_has_a_summary_and_a_timeline(visit, dashboard):
    visitor = visit(dashboard).open("users", user="user-36", range="90 days")
    summary = dashboard.ask("/users/user-36", **dashboard.last(90))
    assert visitor.tile("Events in the range") == str(summary["range"]["events"]) == "3"
    assert visitor.tile("Sessions") == visitor.tile("Active days") == "1"
    timeline = visitor.cells("This user's events, newest first")
    assert [row[1] for row in timeline] == ["purchase", "page_view", "page_view"]
    assert visitor.cells("Sessions of this user")[0][:2] == ["visit-36", "3"]


def test_a_users_timeline_is_filtered_by_type(visit, dashboard):
    visitor = visit(dashboard).open("users", user="user-36", range="90 days", filter="event_type:is:purchase")
    timeline = visitor.cells("This user's events, newest first")
    assert [row[1] for row in timeline] == ["purchase"]


def test_a_user_is_picked_among_those_who_were_active_lately(visit, dashboard):
    visitor = visit(dashboard).open("users", range="90 days")
    shown = visitor.ranking("Users of the range")
    recent = dashboard.ask("/users")["users"]
    assert [row[0] for row in shown[:5]] == [one["user_id"] for one in recent[:5]]
    visitor.choose("User", "user-39")
    visitor.page.wait_for_url("**user=user-39**")
    visitor.page.get_by_role("heading", name="Timeline").wait_for()
    assert visitor.tile("Events ever") == "2"


def test_the_list_of_users_follows_the_range_and_the_types_and_leads_to_each(visit, dashboard):
    visitor = visit(dashboard).open("users", range="90 days", filter="event_type:is:purchase")
    assert [row[:2] for row in visitor.ranking("Users of the range")] == [
        [f"user-{number}", "1"] for number in range(36, -1, -4)
    ]
    visitor.page.get_by_role("link", name="user-32", exact=True).click()
    visitor.page.get_by_role("heading", name="Timeline").wait_for()
    assert "user=user-32" in visitor.page.url
    visitor.open("users", range="today")
    assert "No users in this range" in visitor.page.locator("[data-testid=stAlert]").inner_text()


def test_an_unknown_user_is_said_to_be_unknown(visit, dashboard):
    visitor = visit(dashboard).open("users", user="nobody/here")
    assert "There is no user “nobody/here”." in visitor.page.locator("[data-testid=stAlert]").inner_text()

"""The page SQL in a real browser, with known events."""

import pytest
import requests

from event_tracker.dashboard.pages.sql import EXAMPLES, VIEWS


@pytest.fixture(scope="module")
def with_sql(start, postgres, guarded_database, another):
    """A dashboard on a query service where SQL is on."""
    query = start("query", DATABASE_URL=postgres.url(guarded_database, "query"), SQL="on", SQL_SECONDS="120")
    with another(query.url) as dashboard:
        yield dashboard
        dashboard.process.stop()
    query.stop()


def ask(dashboard, sql):
    answer = requests.post(f"{dashboard.query_url}/sql", json={"sql": sql}, timeout=120)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("view", VIEWS)
def test_the_columns_at_the_side_are_those_of_the_views(with_sql, view):
    assert [column["name"] for column in ask(with_sql, f"select * from {view}")["columns"]] == VIEWS[view]


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_run(with_sql, name):
    assert ask(with_sql, EXAMPLES[name])["row_count"] >= 1


def test_a_statement_is_run_and_kept(visit, with_sql):
    visitor = visit(with_sql).open("sql", range="90 days")
    page = visitor.page
    run = page.get_by_role("button", name="Run", exact=False).first
    run.click()
    page.get_by_text("2 rows.").wait_for()
    visitor.wait()
    assert visitor.cells("Rows of the statement") == [["page_view", "80"], ["purchase", "10"]]
    assert page.get_by_role("img", name="Chart of the rows").count() or page.get_by_label("Chart of the rows").count()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV", exact=True).click()
    assert download.value.path().read_text("utf-8-sig").splitlines() == [
        "event_type,events",
        "page_view,80",
        "purchase,10",
    ]

    page.get_by_role("textbox", name="Statement").fill("select nope\nfrom events")
    run.click()
    page.get_by_text("line 1, column 8").wait_for()
    visitor.wait()
    page.get_by_text("Run before").click()
    page.get_by_role("button", name="select event_type").click()
    visitor.wait()
    assert page.get_by_role("textbox", name="Statement").input_value() == EXAMPLES["Events by type"]


def test_it_is_hidden_where_sql_is_off(visit, dashboard):
    visitor = visit(dashboard).open()
    assert visitor.page.get_by_test_id("stSidebarNav").get_by_role("link", name="SQL").count() == 0
    assert visitor.page.get_by_test_id("stSidebarNav").get_by_role("link", name="Explore").count() == 1


@pytest.fixture(scope="module")
def guarded_sql(start_query, another):
    """A dashboard on a query service that requires a sign-in, and where SQL is on."""
    query = start_query(SQL="on", SQL_SECONDS="120")
    with another(query.url) as dashboard:
        yield dashboard
        dashboard.process.stop()
    query.stop()


def test_it_is_hidden_from_viewers(signed_in, guarded_sql):
    for name, shown in (("vic", 0), ("ben", 1)):
        visitor = signed_in(name, guarded_sql)
        assert visitor.page.get_by_test_id("stSidebarNav").get_by_role("link", name="SQL").count() == shown


def test_who_has_signed_in_saves_queries_and_downloads_rows(signed_in, guarded_sql):
    visitor = signed_in("ben", guarded_sql).open("sql", range="90 days")
    page = visitor.page
    statement, name = page.get_by_role("textbox", name="Statement"), page.get_by_role("textbox", name="Name")
    statement.fill("select 7 as x, '=1+1' as y")
    page.get_by_role("button", name="Run", exact=False).first.click()
    page.get_by_text("1 row.").wait_for()
    visitor.wait()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV", exact=True).click()
    # What a spreadsheet would take for a formula is a text.
    assert download.value.path().read_text("utf-8-sig").splitlines() == ["x,y", "7,'=1+1"]

    save = page.get_by_role("button", name="Save", exact=False).first
    name.fill("not a name")
    save.click()
    page.get_by_text("A name has letters").wait_for()
    visitor.wait()
    name.fill("sevens")
    save.click()
    page.get_by_text("Saved", exact=True).wait_for()
    visitor.wait()
    statement.fill("select 8 as x")
    page.get_by_text("Saved", exact=True).click()
    page.get_by_role("button", name="sevens", exact=True).click()
    visitor.wait()
    assert statement.input_value() == "select 7 as x, '=1+1' as y"
    assert name.input_value() == "sevens"

    page.get_by_role("button", name="delete", exact=False).first.click()
    page.get_by_text("Saved", exact=True).wait_for(state="detached")
    visitor.wait()

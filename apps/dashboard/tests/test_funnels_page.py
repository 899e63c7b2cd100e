"""The page of funnels in a real browser, with known events."""

from urllib.parse import parse_qs, urlsplit

from visitors import FUNNEL_STATE

NONE = "\N{EN DASH}"


def test_a_funnel_shows_who_went_on(visit, dashboard):
    visitor = visit(dashboard).open("funnels", **FUNNEL_STATE)
    assert visitor.tile("Completed the first step") == "40"
    assert visitor.tile("Completed all steps") == "10"
    assert visitor.tile("Conversion") == "25.0%"
    assert visitor.ranking("The funnel's steps") == [
        ["1. page_view", "40", "100.0%", NONE, "0", NONE],
        ["2. purchase", "10", "25.0%", "25.0%", "30", "1 min"],
    ]


def test_a_funnels_step_may_ask_for_a_property(visit, dashboard):
    visitor = visit(dashboard).open("funnels", **FUNNEL_STATE, where1="page=/")
    assert visitor.ranking("The funnel's steps")[0][0] == "1. page_view (page=/)"
    assert visitor.ranking("The funnel's steps")[1][-1] == "2 min"


def test_a_funnel_without_steps_offers_the_commonest_types(visit, dashboard):
    visitor = visit(dashboard).open("funnels", range="90 days")
    visitor.page.get_by_role("button", name="Start with page_view → purchase").click()
    visitor.page.wait_for_url("**step2=purchase**")
    visitor.wait()
    assert visitor.tile("Completed the first step") == "40"


def steps_of(visitor):
    """The steps in the URL, by number."""
    asked = parse_qs(urlsplit(visitor.page.url).query)
    return {name: values for name, values in asked.items() if name.startswith(("step", "where"))}


def test_clearing_a_step_keeps_those_after_it(visit, dashboard):
    visitor = visit(dashboard).open("funnels", range="90 days", step1="page_view", step2="page_view", step3="purchase")
    visitor.page.get_by_test_id("stSelectbox").filter(has_text="Step 2").get_by_role(
        "button", name="Clear value"
    ).click()
    visitor.page.get_by_text("Left out, since it has no event type.").wait_for()
    visitor.wait()
    assert [row[0] for row in visitor.ranking("The funnel's steps")] == ["1. page_view", "2. purchase"]
    assert steps_of(visitor) == {"step1": ["page_view"], "step3": ["purchase"]}


def test_steps_can_be_moved_and_removed_with_their_conditions(visit, dashboard):
    visitor = visit(dashboard).open(
        "funnels",
        range="90 days",
        step1="page_view",
        where1="page=/",
        step2="purchase",
        step3="page_view",
        where3="page=/pricing",
    )
    step_button(visitor, 3, "Move up").click()
    visitor.page.wait_for_url("**where2=page%3D%2Fpricing**")
    visitor.wait()
    assert [row[:2] for row in visitor.ranking("The funnel's steps")] == [
        ["1. page_view (page=/)", "40"],
        ["2. page_view (page=/pricing)", "40"],
        ["3. purchase", "10"],
    ]
    step_button(visitor, 1, "Remove").click()
    visitor.page.wait_for_url(lambda url: "step3" not in url)
    visitor.wait()
    assert [row[0] for row in visitor.ranking("The funnel's steps")] == ["1. page_view (page=/pricing)", "2. purchase"]
    assert steps_of(visitor) == {"step1": ["page_view"], "where1": ["page=/pricing"], "step2": ["purchase"]}


def step_button(visitor, number, what):
    """A button below a step."""
    return visitor.page.locator(f".st-key-{what.replace(' ', '-')}-{number}").get_by_role("button")

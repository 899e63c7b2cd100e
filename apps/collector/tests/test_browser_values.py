"""The tracker script in Chromium: which values it accepts, as what type, and from which pages it accepts none."""

import pytest
from sites import WAITING, track, until, wait_until_sent
from waiting import eventually

UNUSABLE = [
    "{}",
    "new Promise(() => {})",
    "NaN",
    "Infinity",
    "[]",
    "[1, 2]",
    "true",
    "null",
    "undefined",
    "''",
    "Symbol('ann')",
    "Object.create(null)",
    "() => 'ann'",
    "new Date()",
]
UNUSABLE_IDS = [*UNUSABLE, "'x'.repeat(201)", "'a\\0b'", "'Hello 😀'.slice(0, 7)"]


def warnings_of(page, script):
    """What a script in the page writes into the console."""
    found = []
    listen = lambda message: found.append(message.text)  # noqa: E731
    page.on("console", listen)
    with page.expect_console_message(lambda message: message.text == "done"):
        page.evaluate(f"() => {{ {script}; console.log('done') }}")
    page.remove_listener("console", listen)
    return found[:-1]


@pytest.mark.parametrize("call", ["identify", "track"])
def test_what_cannot_be_an_id_is_warned_of_and_changes_nothing(shop, page, call):
    page.goto(f"{shop.site.origin}/")
    page.evaluate("tracker.identify('ann')")
    for value in UNUSABLE_IDS if call == "identify" else UNUSABLE:
        (warning,) = warnings_of(page, f"tracker.{call}({value})")
        assert warning.startswith("tracker:"), value
        assert call in warning
    track(page, "after")
    wait_until_sent(page)
    assert shop.owner.execute("select event_type, user_id from events order by timestamp").fetchall()[2:] == [
        ("after", "ann")
    ]


@pytest.mark.parametrize(
    ("given", "stored"), [("7", "7"), ("0", "0"), ("2n ** 64n", str(2**64)), ("'😀'.repeat(200)", "😀" * 200)]
)
def test_texts_and_numbers_are_ids(shop, page, given, stored):
    page.goto(f"{shop.site.origin}/")
    wait_until_sent(page)
    assert warnings_of(page, f"tracker.identify({given}); tracker.track('mine')") == []
    wait_until_sent(page)
    assert shop.owner.execute("select user_id from events where event_type = 'mine'").fetchall() == [(stored,)]


def test_half_an_emoji_costs_itself_alone(shop, page):
    page.goto(f"{shop.site.origin}/")
    page.evaluate(
        r"""() => {
          const cut = "Hello 😀".slice(0, 7);
          tracker.track("cut", { text: cut, [cut]: 1, list: [cut], nul: "a\0b", whole: "😀", said: "\\ud83d \\\\ud83d \\u0000" });
          tracker.track(cut);
        }"""
    )
    wait_until_sent(page)
    rows = shop.owner.execute("select event_type, properties - 'webdriver' from events order by timestamp").fetchall()
    half = "Hello \ufffd"
    assert rows[1:] == [
        (
            "cut",
            {
                "text": half,
                half: 1,
                "list": [half],
                "nul": "a\ufffdb",
                "whole": "😀",
                "said": "\\ud83d \\\\ud83d \\u0000",
            },
        ),
        (half, {}),
    ]


def test_attributes_that_are_named_are_numbers_and_booleans(shop, page):
    named = {"price": "12.50", "count": "3", "member": "true", "code": "007", "id": "9007199254740993", "far": "1e999",
             "list": "[1]", "none": "null", "empty": ""}  # fmt: skip
    attributes = " ".join(f'data-track-{name}="{value}"' for name, value in named.items())
    shop.put(
        attributes='data-typed-properties="price,count,member,code,id,far,list,none,empty"',
        body=f'<button id="buy" data-track="buy" {attributes} data-track-version="1.10">Buy</button>',
    )
    page.goto(f"{shop.site.origin}/")
    page.click("#buy")
    wait_until_sent(page)
    ((properties,),) = shop.owner.execute(
        "select properties - 'webdriver' from events where event_type = 'buy'"
    ).fetchall()
    expected = {**named, "price": 12.5, "count": 3, "member": True, "version": "1.10", "page": "/"}
    assert properties == expected
    assert properties["member"] is True


@pytest.mark.parametrize("storage", ["local", "none"])
def test_who_opts_out_is_forgotten_and_left_alone_until_they_opt_in(shop, page, context, storage):
    shop.put(attributes=f'data-storage="{storage}"')
    context.clock.install()
    page.goto(f"{shop.site.origin}/")
    page.evaluate("localStorage.mine = 1")
    track(page, "waiting")
    page.evaluate("tracker.optOut()")
    sent = []
    page.on("request", lambda request: sent.append(request.method))
    kept = ["mine", "tracker_opt_out"]
    for name in ("/a", "/b"):
        track(page, "mine")
        page.evaluate("tracker.identify('ann')")
        page.evaluate("history.pushState({}, '', '/c')")
        page.click("#buy")
        context.clock.run_for(60_000)
        assert sorted(page.evaluate("Object.keys(localStorage)")) == kept
        page.goto(f"{shop.site.origin}{name}")
    assert "POST" not in sent
    page.evaluate("tracker.optOut(false)")
    track(page, "again")
    context.clock.run_for(10_000)
    until(page, f"{WAITING} === 0")
    assert eventually(lambda: ("again",) in shop.stored())
    assert shop.stored() == [("again",)]
    assert page.evaluate("localStorage.tracker_opt_out === undefined")


@pytest.mark.parametrize("driven", [True, False])
def test_events_of_a_browser_that_a_program_drives_say_so(shop, page, driven):
    page.add_init_script(
        f"Object.defineProperty(Navigator.prototype, 'webdriver', {{ get: () => {str(driven).lower()} }})"
    )
    page.goto(f"{shop.site.origin}/")
    track(page, "mine", {"n": 1})
    track(page, "said", {"webdriver": "mine"})
    wait_until_sent(page)
    mark = True if driven else None
    assert shop.stored("webdriver", "n") == [("page_view", mark, None), ("mine", mark, 1), ("said", "mine", None)]

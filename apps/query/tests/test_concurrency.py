"""Concurrent queries of many clients: they may share statements, but each gets its own answer."""

import random
from concurrent.futures import ThreadPoolExecutor

USERS = 40


def test_everyone_gets_the_page_he_asked_for(get, store, minutes):
    rows = store(
        {"user_id": f"u{n % USERS}", "event_type": f"t{n}", "timestamp": minutes(n // 3)} for n in range(USERS * 12)
    )
    dice = random.Random(1)
    asked = [
        {
            "user_id": f"u{dice.randrange(USERS + 5)}",
            "limit": dice.choice([1, 2, 5, 50, 100, 101]),
            "from": minutes(dice.randrange(0, 80)).isoformat(),
            **({"to": minutes(dice.randrange(80, 160)).isoformat()} if dice.random() < 0.5 else {}),
        }
        for _ in range(600)
    ]
    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda one: get_page(get, one), asked))
    for one, page in zip(asked, answers, strict=True):
        matching = [
            row["event_type"]
            for row in sorted(rows, key=lambda row: (row["timestamp"], row["event_id"]), reverse=True)
            if row["user_id"] == one["user_id"]
            and one["from"] <= row["timestamp"].isoformat() < one.get("to", "9")
        ]  # fmt: skip
        assert [event["event_type"] for event in page["events"]] == matching[: one["limit"]]
        assert (page["next_cursor"] is not None) == (len(matching) > one["limit"])


def get_page(get, parameters):
    answer = get("/events", **parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_counts_asked_together_hold_what_was_stored_before(get, store):
    """Many ask the same while events come in: each answer holds at least what was there when it was asked for."""
    stored = 0

    def ask(_):
        before = stored
        total = get("/stats/top-types").json()["total"]
        return before <= total

    with ThreadPoolExecutor(16) as pool:
        for _ in range(10):
            asked = [pool.submit(ask, n) for n in range(16)]
            store({"user_id": f"u{stored}"} for _ in range(3))
            stored += 3
            assert all(one.result() for one in asked)
    assert get("/stats/top-types").json()["total"] == stored

"""`tracker simulate --scenario` and `tracker verify`: send a scenario, write its truth, and check the answers."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from ports import free_port

from event_tracker.cli.simulate.scenarios import SCENARIOS
from event_tracker.cli.simulate.scenarios.truth.check import differences
from event_tracker.cli.simulate.simulate import simulate
from event_tracker.cli.simulate.verify import verify

END = "2026-11-18T15:00:00Z"


def send(pair, scenario: str, file: Path, *options: object) -> Result:
    arguments = ["--scenario", scenario, "--end", END, "--truth", file, "--collector", pair.collector.url, *options]
    return CliRunner().invoke(simulate, list(map(str, arguments)))


def check(pair, file: Path, *options) -> Result:
    return CliRunner().invoke(verify, [str(file), "--query", pair.query.url, *options])


@pytest.fixture(scope="module", params=SCENARIOS)
def scenario(request) -> str:
    return request.param


def test_every_answer_about_a_scenario_is_as_was_known_before(pair, scenario, tmp_path):
    file = tmp_path / "truth.json"
    sent = send(pair, scenario, file, "--users", 400)
    assert sent.exit_code == 0, sent.output
    truth = json.loads(file.read_text())
    said = truth["facts"]["events"]
    assert (
        f"{said['sent']:,} events of 400 users: {said['stored']:,} stored, {said['duplicates']:,} dupl" in sent.output
    )
    assert f"tracker verify {file}" in sent.output
    checked = check(pair, file)
    assert checked.exit_code == 0, checked.output
    number = len(truth["checks"])
    assert checked.output.count("✓") == number > 30
    assert f"{number} of {number} answers right." in checked.output


def without_echo(one: dict[str, Any], others: dict[str, Any]) -> dict[str, Any]:
    """A check with another parameter, and without the members of the answer that only repeat the parameters."""
    part = "body" if one["request"].get("body") else "params"
    request = {**one["request"], part: {**one["request"][part], **others}}
    echo = {"from", "to", "tz", "points", "gap", "window"}
    answer = {name: value for name, value in one["answer"].items() if name not in echo}
    return {"name": one["name"], "request": request, "answer": answer}


def test_a_service_with_other_rules_would_be_noticed(pair, scenario, tmp_path):
    """Each request is sent with one parameter changed: the right answers must then differ."""
    file = tmp_path / "truth.json"
    send(pair, scenario, file, "--users", 400)
    truth = json.loads(file.read_text())
    last = {"event_type": SCENARIOS[scenario].funnel[-1][0]}
    rules: dict[str, dict[str, Any]] = {
        "sessions by event_type": {"gap": 2700},
        "paths, next, from the first": {"gap": 2700},
        "funnel": {"window": 2 * SCENARIOS[scenario].window},
        "events by day": {"tz": "Asia/Tokyo"},
        "retention by week": last,
        "active and new users by day": last,
        "property country": last,
    }
    if SCENARIOS[scenario].has_bots:
        rules["sessions by event_type without bots"] = {"property.bot": "true"}
    if truth["facts"]["signed_in"]:
        rules["ids before and after sign-in"] = {"identity": "linked"}
    if SCENARIOS[scenario].site:
        rules |= {"web site": last, "web site by page": last, "web site by channel": last}
    truth["checks"] = [without_echo(one, rules[one["name"]]) for one in truth["checks"] if one["name"] in rules]
    file.write_text(json.dumps(truth))
    checked = check(pair, file)
    assert checked.exit_code == 1
    assert checked.output.count("✗") == len(rules), checked.output
    assert f"0 of {len(rules)} answers right." in checked.output


def test_one_event_more_is_noticed_and_said(pair, tmp_path):
    file = tmp_path / "truth.json"
    send(pair, "portfolio", file, "--users", 50)
    stored = json.loads(file.read_text())["facts"]["events"]["stored"]
    pair.owner.execute("update event_counts set count = count + 1 where ctid = (select min(ctid) from event_counts)")
    checked = check(pair, file)
    assert checked.exit_code == 1
    assert "✗ event types\n    items[0].count: expected " in checked.output
    assert f"total: expected {stored}, got {stored + 1}" in checked.output


def test_a_source_has_its_own_truth(pair, tmp_path):
    """Another source has the same events of the same users, an hour earlier."""
    file = tmp_path / "truth.json"
    send(pair, "portfolio", file, "--users", 100)
    pair.owner.execute(
        "insert into events (user_id, timestamp, event_id, event_type, session_id, source, properties)"
        " select user_id, timestamp - interval '1 hour', gen_random_uuid(), event_type, session_id, 'club', properties from events"
    )
    pair.owner.execute(
        "insert into event_counts select hour - interval '1 hour', event_type, 'club', slot, count from event_counts"
    )
    pair.owner.execute(
        "update users set first_seen = first_seen - interval '1 hour', last_hour = last_hour - interval '1 hour'"
    )
    assert check(pair, file).exit_code == 1
    checked = check(pair, file, "--source", "default")
    assert checked.exit_code == 0, checked.output
    assert check(pair, file, "--source", "club").exit_code == 1


def test_events_are_users_and_give_about_as_many(pair, tmp_path):
    file = tmp_path / "truth.json"
    assert send(pair, "saas", file, "--events", 3000, "--days", 21).exit_code == 0
    assert json.loads(file.read_text())["facts"]["events"]["stored"] == pytest.approx(3000, rel=0.1)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--scenario", "shop", "--users", 10, "--events", 100), "give one of them"),
        (("--scenario", "shop", "--days", 13.9), "--days are 14 to 366"),
        (("--truth", "x.json"), "Only a --scenario has a --truth"),
    ],
)
def test_wrong_usage_is_told(options, said):
    result = CliRunner().invoke(simulate, list(map(str, options)))
    assert (result.exit_code, said in result.output) == (2, True), result.output


def test_what_cannot_be_sent_leaves_no_truth(tmp_path):
    file = tmp_path / "truth.json"
    arguments = ["--scenario", "shop", "--users", "20", "--truth", str(file)]
    result = CliRunner().invoke(simulate, [*arguments, "--collector", f"http://127.0.0.1:{free_port()}"])
    assert (result.exit_code, list(tmp_path.iterdir())) == (2, [])


def test_what_is_refused_on_the_way_leaves_no_truth(pair, tmp_path):
    result = send(pair, "shop", tmp_path / "truth.json", "--users", 20, "--end", "2999-01-01T00:00:00Z")
    assert (result.exit_code, list(tmp_path.iterdir())) == (2, [])
    assert "more than 24 h ahead" in result.output


def test_a_folder_that_cannot_be_written_to_is_told_before_anything_is_sent(pair, tmp_path):
    file = tmp_path / "not there" / "truth.json"
    result = send(pair, "shop", file, "--users", 20)
    assert result.exit_code == 1
    assert f"Error: can't write {file}: No such file or directory (--truth chooses another)" in result.output
    assert pair.owner.execute("select count(*) from events").fetchall() == [(0,)]


def test_a_file_of_something_else_is_told(tmp_path):
    file = tmp_path / "else.json"
    file.write_text("{}")
    result = CliRunner().invoke(verify, [str(file)])
    assert result.exit_code == 2
    assert f"{file} isn't a file that `tracker simulate --scenario` wrote" in result.output


def write_truth(file: Path, path: str, answer: object) -> Path:
    """Write a truth with one question."""
    one = {"name": "nothing", "request": {"method": "GET", "path": path}, "answer": answer}
    rest = {"scenario": "shop", "seed": 1, "from": "x", "to": "y", "tz": "UTC", "facts": {"events": {"stored": 7}}}
    file.write_text(json.dumps({**rest, "checks": [one]}))
    return file


def test_a_query_service_that_cannot_answer_is_a_wrong_answer(pair, tmp_path):
    checked = check(pair, write_truth(tmp_path / "truth.json", "/stats/nothing", {}))
    assert checked.exit_code == 1
    assert "✗ nothing\n    The query service answers 404" in checked.output


@pytest.mark.parametrize(("patience", "exit_code"), [(60, 0), (0, 1)])
def test_a_question_that_isnt_answered_in_time_is_asked_again(scripted, tmp_path, patience, exit_code):
    """What was loaded for it is kept, so a later answer may be quick."""
    late = json.dumps({"error": {"code": "statement_timeout", "message": "It took too long."}}).encode()
    alive = (200, {}, b"{}")
    server = scripted(alive, (504, {}, late), (200, {}, b'{"total": 7}'))
    file = write_truth(tmp_path / "truth.json", "/stats/top-types", {"total": 7})
    checked = CliRunner().invoke(verify, [str(file), "--query", server.url, "--patience", str(patience)])
    assert checked.exit_code == exit_code, checked.output


@pytest.mark.parametrize(
    ("expected", "got"),
    [
        ({"a": 1}, {"a": 1, "b": 2}),
        ({"a": [0.1 + 0.2]}, {"a": [0.3]}),
        ("2026-11-02T00:00:00Z", "2026-11-02T00:00:00.000+00:00"),
        ({"a": None}, {"a": None}),
    ],
)
def test_what_is_the_same_has_no_differences(expected, got):
    assert list(differences(expected, got)) == []


@pytest.mark.parametrize(
    ("expected", "got", "said"),
    [
        ({"a": {"b": 1}}, {"a": {}}, "a.b: expected 1, got nothing"),
        ({"a": [1, 2]}, {"a": [1, 3]}, "a[1]: expected 2, got 3"),
        ({"a": [1]}, {"a": [1, 2]}, "a: expected 1 entries, got 2"),
        ({"a": 1}, {"a": True}, "a: expected 1, got true"),
        ({"a": None}, {"a": 0}, "a: expected null, got 0"),
        ({"a": 1.0}, {"a": 1.00001}, "a: expected 1.0, got 1.00001"),
        (
            {"a": "2026-11-02T00:00:00+01:00"},
            {"a": "2026-11-01T23:00:00Z"},
            'a: expected "2026-11-02T00:00:00+01:00", got "2026-11-01T23:00:00Z"',
        ),
        ({"a": []}, {"a": {}}, "a: expected [], got {}"),
    ],
)
def test_what_is_different_is_said_with_its_place(expected, got, said):
    assert list(differences(expected, got)) == [said]

"""`tracker simulate --logs`: logs of the simulated web site are read in, and the answers are what its visitors did."""

import gzip
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from event_tracker.cli.simulate.logs.clients import BOT, BROWSERS, REFERRERS, address_of
from event_tracker.cli.simulate.logs.formats import FORMATS
from event_tracker.cli.simulate.scenarios.businesses.shop_site import site
from event_tracker.cli.simulate.simulate import simulate
from event_tracker.cli.simulate.verify import verify
from event_tracker.enrichment.addresses import read_address
from event_tracker.enrichment.traffic_sources import find_source
from event_tracker.enrichment.user_agents import load_user_agents

END = "2026-11-18T15:00:00Z"


def write(folder: Path, *options: object) -> Result:
    arguments = ["--end", END, "--days", 14, "--users", 150, "--logs", folder, "--truth", folder.with_suffix(".json")]
    return CliRunner().invoke(simulate, list(map(str, [*arguments, *options])))


def check(pair, folder: Path) -> Result:
    return CliRunner().invoke(verify, [str(folder.with_suffix(".json")), "--query", pair.query.url])


@pytest.mark.parametrize(
    ("seed", "name"), [(1, "cloudfront"), (1, "combined"), (20, "cloudfront-json"), (20, "combined")]
)
def test_the_answers_about_logs_are_what_visitors_did(pair, store, tmp_path, seed, name):
    folder = tmp_path / "logs"
    written = write(folder, "--seed", seed, "--log-format", name)
    assert written.exit_code == 0, written.output
    truth = json.loads(folder.with_suffix(".json").read_text())
    events = truth["facts"]["events"]
    assert f"{events['stored']:,} become events: " in written.output
    sent = store.send(folder)
    assert sent.exit_code == 0, sent.output
    assert store.stored == events["stored"]
    checked = check(pair, folder)
    assert checked.exit_code == 0, checked.output
    assert f"{len(truth['checks'])} of {len(truth['checks'])} answers right." in checked.output
    names = {one["name"] for one in truth["checks"]}
    assert names >= {"event types", "page views by day", "web site", "web site by page", "web site by campaign"}
    assert ("web site by country" in names) is FORMATS[name].has_countries


def test_both_logs_of_cloudfront_are_of_the_same_requests(store, tmp_path):
    for name in ("cloudfront", "cloudfront-json"):
        write(tmp_path / name, "--log-format", name)
        store.send(tmp_path / name)
    truths = [json.loads((tmp_path / f"{name}.json").read_text()) for name in ("cloudfront", "cloudfront-json")]
    assert store.stored == truths[0]["facts"]["events"]["stored"]
    assert truths[0]["facts"] == truths[1]["facts"]


def test_a_file_that_is_missing_is_noticed(pair, store, tmp_path):
    folder = tmp_path / "logs"
    write(folder)
    with_views = next(file for file in sorted(folder.iterdir()) if b"text/html" in gzip.decompress(file.read_bytes()))
    with_views.unlink()
    store.send(folder)
    checked = check(pair, folder)
    assert checked.exit_code == 1
    assert {"✗ event types", "✗ page views by day", "✗ web site"} <= {*checked.output.splitlines()}


def test_the_same_seed_writes_the_same_bytes_and_another_one_other_files(tmp_path):
    for name, seed in (("first", 1), ("second", 1), ("third", 2)):
        write(tmp_path / name, "--seed", seed)
    first, second, third = (
        {file.name: file.read_bytes() for file in (tmp_path / name).iterdir()} for name in ("first", "second", "third")
    )
    assert first == second
    assert first.keys().isdisjoint(third)


def test_user_agents_and_links_are_read_as_the_truth_says():
    read = load_user_agents()
    for (where, _), browser in BROWSERS.items():
        agent = read(browser.user_agent)
        device = where if where in ("mobile", "tablet") else "desktop"
        assert (agent.properties()["$browser"], agent.properties()["$os"]) == (browser.name, browser.system)
        assert (agent.properties()["$device_type"], agent.is_bot) == (device, False)
    assert read(BOT).is_bot
    came = [*site.arrivals.values(), *(share.properties for share in site.returns)]
    for one in came:
        campaign = {name: value for name, value in one.items() if name.startswith("utm_")}
        found = find_source(REFERRERS[one["$source"]], campaign, (site.host,)).properties()
        assert found == {name: one[name] for name in ("$source", "$channel")}


def test_everybody_has_an_address_of_their_own():
    numbers = [*range(2000), *range(65_530, 65_545), 9_999_999]
    addresses = [read_address(address_of(number)) for number in numbers]
    assert None not in addresses
    assert len(set(addresses)) == len(numbers)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--scenario", "saas"), "the scenario saas isn't one"),
        (("--rate", 1), "--scenario and --logs are about days that are past"),
        (("--days", 3), "--days are 14 to 366"),
    ],
)
def test_wrong_usage_is_told(tmp_path, options, said):
    written = write(tmp_path / "logs", *options)
    assert (written.exit_code, said in written.output) == (2, True), written.output
    assert list(tmp_path.iterdir()) == []


def test_a_format_needs_a_folder():
    written = CliRunner().invoke(simulate, ["--log-format", "combined"])
    assert (written.exit_code, "--log-format is of --logs FOLDER" in written.output) == (2, True)


def test_a_folder_with_other_files_stays_as_it_is(tmp_path):
    (tmp_path / "access.log").write_text("mine\n")
    written = write(tmp_path)
    assert (written.exit_code, "isn't empty" in written.output) == (2, True)
    assert [file.name for file in tmp_path.iterdir()] == ["access.log"]


def test_a_folder_that_cannot_be_made_leaves_no_truth(tmp_path):
    (tmp_path / "file").write_text("")
    written = write(tmp_path / "file" / "logs", "--truth", tmp_path / "truth.json")
    assert written.exit_code == 1, written.output
    assert "can't write" in written.output
    assert [file.name for file in tmp_path.iterdir()] == ["file"]

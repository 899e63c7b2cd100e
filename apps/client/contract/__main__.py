"""Runs a client against every case of the contract: docs/clients/contract.md.

    python apps/client/contract [--case NAME]… [--skip NAME]… -- COMMAND…

Exit code 1 if the client breaks the contract. Standard library alone.
"""

import argparse
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from rules import Call, find_violations
from simulated_collector import WRITE_KEY, SimulatedCollector

CASES = Path(__file__).parent / "cases.json"
AT_ONCE = 8
LIMIT_SECONDS = 120


def make_calls(case: dict[str, Any]) -> list[Call]:
    """The events to track, each with its number in `properties`."""
    properties: dict[str, Any] = case.get("properties", {})
    filling = {"filling": "x" * case["filling_bytes"]} if "filling_bytes" in case else {}
    large = case.get("large")
    calls = []
    for number in range(case.get("events", 3)):
        more = {"filling": "x" * 4000} if number == large else filling
        calls.append(
            {"user_id": f"user-{number}", "event_type": "contract", "properties": {"n": number, **properties, **more}}
        )
    return calls


def run(case: dict[str, Any], command: list[str]) -> list[str]:
    """What a client did wrong in a case."""
    calls = make_calls(case)
    collector = SimulatedCollector(case)
    environment = {
        **os.environ,
        "BASE_URL": collector.url,
        "WRITE_KEY": WRITE_KEY,
        "TIMEOUT_SECONDS": str(case.get("timeout_seconds", 30)),
    }
    try:
        done = subprocess.run(  # noqa: S603  # it is the caller's own
            command,
            input="".join(json.dumps(call) + "\n" for call in calls),
            env=environment,
            capture_output=True,
            text=True,
            timeout=LIMIT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return [f"it hasn't ended after {LIMIT_SECONDS} s"]
    finally:
        collector.close()
    if done.returncode:
        return [f"its exit code is {done.returncode}: {done.stderr[-2000:]}"]
    return find_violations(case, calls, collector.requests, collector.stored, read_given_up(done.stdout))


def read_given_up(output: str) -> list[int]:
    """The numbers in lines such as `{"given_up": 3}`."""
    found = []
    for line in output.splitlines():
        try:
            said = json.loads(line)
        except ValueError:
            continue
        if isinstance(said, dict) and isinstance(said.get("given_up"), int):
            found.append(said["given_up"])
    return found


def main() -> int:
    """Returns: the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", action="append", default=[], help="run only this case; may be repeated")
    parser.add_argument("--skip", action="append", default=[], help="leave this case out; may be repeated")
    parser.add_argument("command", nargs="+", help="the client's driver, after --")
    arguments = parser.parse_args()
    cases = [
        case
        for case in json.loads(CASES.read_text())
        if case["name"] not in arguments.skip and case["name"] in (arguments.case or [case["name"]])
    ]
    broken = 0
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for case, found in zip(cases, pool.map(lambda case: run(case, arguments.command), cases), strict=True):
            broken += bool(found)
            print(f"{'BROKEN' if found else 'kept  '} {case['name']}: {case['rule']}")
            print("".join(f"         {line}\n" for line in found), end="")
    print(f"{len(cases) - broken} cases kept, {broken} broken")
    return 1 if broken or not cases else 0


if __name__ == "__main__":
    sys.exit(main())

"""The smallest client that keeps the contract, or with one fault breaks it: `wrong_client.py FAULT`. `none` keeps it."""

import email.utils
import http.client
import json
import os
import sys
import time
import uuid
from datetime import UTC, datetime
from urllib.parse import urlsplit

FAULT = sys.argv[1]
WAIT_SECONDS = 0.2


def identified(call):
    return {**call, "event_id": str(uuid.uuid4()), "timestamp": datetime.now(UTC).isoformat()}


def give_up(events):
    if FAULT != "silent_about_refusals":
        for event in events:
            print(json.dumps({"given_up": event["properties"]["n"]}), flush=True)


def batches(events):
    batch, size = [], 0
    for event in events:
        length = len(json.dumps(event)) + 2
        too_many = len(batch) == 1000 and FAULT != "too_many_events"
        if batch and (too_many or (size + length > 5_000_000 and FAULT != "too_many_bytes")):
            yield batch
            batch, size = [], 0
        batch.append(event)
        size += length
    yield batch


def post(events):
    """Status, headers and body; the status is 0 if there is no answer."""
    connection = http.client.HTTPConnection(
        urlsplit(os.environ["BASE_URL"]).netloc, timeout=float(os.environ["TIMEOUT_SECONDS"])
    )
    headers = {"Content-Type": "application/json", "X-Write-Key": os.environ["WRITE_KEY"]}
    if FAULT == "no_key":
        del headers["X-Write-Key"]
    path = "/v1/events" if FAULT == "wrong_path" else "/events"
    try:
        connection.request("POST", path, json.dumps(events), headers)
        answer = connection.getresponse()
        try:
            body = answer.read()
        except http.client.IncompleteRead:
            if FAULT != "believes_half_an_answer":
                raise
            body = b"{}"
        return answer.status, answer.headers, json.loads(body) if answer.status in (200, 202, 207, 422) else {}
    except (OSError, http.client.HTTPException):
        return 0, {}, {}
    finally:
        connection.close()


def wait(headers):
    said = headers.get("Retry-After") or ""
    seconds = 0.0
    if said.isdecimal() and FAULT != "ignores_retry_after":
        seconds = float(said)
    elif said.endswith("GMT") and FAULT != "ignores_dates":
        seconds = (email.utils.parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds()
    time.sleep(max(seconds, 0.0 if FAULT == "never_waits" else WAIT_SECONDS))


def is_temporary(status):
    temporary = {0, 408, 429, 500, 502, 503, 504} - {
        {"drops_on_silence": 0, "drops_on_429": 429, "drops_on_503": 503, "drops_on_408": 408}.get(FAULT, -1)
    }
    if FAULT == "takes_202_for_a_failure":
        temporary.add(202)
    return status in temporary


def sent_again(events):
    if FAULT == "new_ids":
        return [identified(event) for event in events]
    if FAULT == "new_times":
        return [{**event, "timestamp": datetime.now(UTC).isoformat()} for event in events]
    return events[1:] if FAULT == "forgets_one" else events


def deliver(events):
    again_once = {"resends_400": 400, "resends_207": 207}.get(FAULT)
    status, headers, answer = post(events)
    for _ in range(20):
        if not is_temporary(status) and status != again_once:
            break
        again_once = None
        events = sent_again(events)
        wait(headers)
        status, headers, answer = post(events)
    settle(events, status, answer)


def settle(events, status, answer):
    if status == 413 and len(events) > 1 and FAULT != "drops_on_413":
        half = len(events) // 2
        deliver(events[:half])
        deliver(events[half:])
    elif status == 207 and FAULT == "gives_up_all_of_207":
        give_up(events)
    elif status in (200, 202, 207, 422):
        give_up([events[error["index"]] for error in answer.get("errors", [])])
    elif FAULT != "drops_on_silence" or status:
        give_up(events)


calls = [json.loads(line) for line in sys.stdin]
if FAULT == "spoils_texts":
    calls = [json.loads(json.dumps(call, ensure_ascii=False).encode().decode("ascii", "replace")) for call in calls]
for each in batches([identified(call) for call in calls]):
    deliver(each)

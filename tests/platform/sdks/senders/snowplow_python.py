"""snowplow-tracker (Python)"""

import json
from typing import Any

import requests
from common import BASE, KEY, USER, is_delivered, report, track_all, wait_for_all
from snowplow_tracker import Emitter, SelfDescribing, SelfDescribingJson, Subject, Tracker

SCHEMA = "iglu:com.example/Sent/jsonschema/1-0-0"


def note(events: list[dict[str, Any]]) -> None:
    """The SDK's on_success. Its on_failure doesn't say whether it sends again."""
    for event in events:
        is_delivered(json.loads(event["ue_pr"])["data"]["data"]["n"])


session = requests.Session()
session.headers["X-Write-Key"] = KEY
emitter = Emitter(BASE, batch_size=5, session=session, on_success=note)
tracker = Tracker("shop", emitter, subject=Subject().set_user_id(USER), encode_base64=False)
track_all(lambda n: tracker.track(SelfDescribing(SelfDescribingJson(SCHEMA, {"n": n}))))
tracker.flush()
wait_for_all(120)
report()

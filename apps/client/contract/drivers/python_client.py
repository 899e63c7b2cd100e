"""`event-tracker-client` as the contract's runner drives it."""

import json
import os
import sys

from event_tracker.client import Client

client = Client(
    os.environ["BASE_URL"],
    os.environ["WRITE_KEY"],
    timeout_seconds=float(os.environ["TIMEOUT_SECONDS"]),
    on_error=lambda given_up: print(json.dumps({"given_up": given_up.event["properties"]["n"]}), flush=True),
)
for line in sys.stdin:
    call = json.loads(line)
    client.track(call["user_id"], call["event_type"], call["properties"])
client.close(timeout_seconds=60)

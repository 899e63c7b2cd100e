"""amplitude-analytics (Python)"""

from amplitude import Amplitude, BaseEvent
from common import BASE, KEY, USER, is_delivered, is_given_up, report, track_all, wait_for_all


def note(event: BaseEvent, code: int, message: str | None) -> None:
    """The SDK's callback: what became of an event."""
    n = event.event_properties["n"]
    is_delivered(n) if code == 200 else is_given_up(n, f"{code} {message}")


client = Amplitude(KEY)
client.configuration.server_url = f"{BASE}/2/httpapi"
client.configuration.flush_interval_millis = 500
client.configuration.callback = note
track_all(lambda n: client.track(BaseEvent("Sent", user_id=USER, event_properties={"n": n})))
wait_for_all(60)  # shutdown() sends what is left once, and doesn't say what became of it
client.shutdown()
report()

"""mixpanel (Python): one request an event, by its own Consumer"""

from common import BASE, KEY, USER, is_delivered, is_given_up, report, track_all
from mixpanel import Consumer, Mixpanel, MixpanelException

consumer = Consumer(events_url=f"{BASE}/track", import_url=f"{BASE}/import")
consumer._session.mount(BASE, consumer._session.get_adapter("https://"))  # by HTTP it would try once only
client = Mixpanel(KEY, consumer=consumer)


def track(n: int) -> None:
    """Track an event, and note what the SDK says of it."""
    try:
        client.track(USER, "Sent", {"n": n})
    except MixpanelException as error:
        is_given_up(n, f"{type(error).__name__}: {error}")
    else:
        is_delivered(n)


track_all(track)
report()

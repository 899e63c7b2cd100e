"""posthog (Python)"""

from common import BASE, KEY, USER, give_up, report, track_all
from posthog import Posthog

client = Posthog(KEY, host=BASE, on_error=give_up)
track_all(lambda n: client.capture("Sent", distinct_id=USER, properties={"n": n}))
client.flush()
client.join()
report()

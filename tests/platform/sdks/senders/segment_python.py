"""segment-analytics-python"""

from common import BASE, KEY, USER, give_up, report, track_all
from segment.analytics.client import Client

client = Client(KEY, host=BASE, on_error=give_up)
track_all(lambda n: client.track(user_id=USER, event="Sent", properties={"n": n}))
client.flush()
client.join()
report()

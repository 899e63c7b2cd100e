import requests


def test_an_event_is_stored(collector, owner):
    answer = requests.post(f"{collector.url}/events", json={"user_id": "ann", "event_type": "view"}, timeout=10)
    assert answer.status_code == 201
    assert owner.execute("select user_id from events").fetchall() == [("ann",)]

"""What the OpenAPI document says of `from` and `to` is what is accepted: a time, or a time or a day."""

import pytest
import requests

REQUIRED = {"key": "page", "user_id": "ann", "field": "event_type"}
"""Values for required parameters."""

TIMES = {"date-time": "2026-03-01T00:00:00Z", "date": "2026-03-01"}
FUNNEL = {"steps": [{"event_type": "view"}, {"event_type": "buy"}]}


def formats(schema):
    return {one["format"] for one in schema.get("anyOf", [schema])}


def not_times(answer):
    """The parameters that aren't times; none if the answer isn't a refusal."""
    errors = answer.json()["errors"] if answer.status_code == 422 else []
    return {error["parameter"] for error in errors if error["code"] == "invalid_timestamp"}


@pytest.fixture(scope="module")
def document(shared_query):
    return requests.get(f"{shared_query.url}/openapi.json", timeout=30).json()


def test_every_get_accepts_the_times_that_it_describes(shared_query, document):
    days_accepted = set()
    for path, operations in document["paths"].items():
        parameters = operations.get("get", {}).get("parameters", [])
        described = {one["name"]: formats(one["schema"]) for one in parameters if one["name"] in ("from", "to")}
        if not described:
            continue
        given = {one["name"]: REQUIRED[one["name"]] for one in parameters if one.get("required")}
        asked = {name: value for name, value in given.items() if f"{{{name}}}" not in path}
        for name, wanted in described.items():
            for kind, time in TIMES.items():
                answer = requests.get(shared_query.url + path.format(**given), {**asked, name: time}, timeout=30)
                assert (name not in not_times(answer)) == (kind in wanted), (path, name, kind, answer.text)
                if kind == "date" and kind in wanted:
                    days_accepted.add(path)
    assert {"/stats/timeseries", "/stats/retention", "/events/users", "/user"} <= days_accepted
    assert "/events" not in days_accepted


@pytest.mark.parametrize("time", TIMES.values())
def test_a_funnel_accepts_both(shared_query, document, time):
    body = document["paths"]["/stats/funnel"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert formats(body["properties"]["from"]) == formats(body["properties"]["to"]) == set(TIMES)
    answer = requests.post(f"{shared_query.url}/stats/funnel", json={**FUNNEL, "from": time, "to": time}, timeout=30)
    assert answer.status_code == 200, answer.text

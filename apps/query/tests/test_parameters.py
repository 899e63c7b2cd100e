"""Invalid parameters are refused: all errors at once, each with the parameter's name and a code."""

import pytest
import requests

EVENTS, TYPES = "/events", "/stats/top-types"
LONG = {"user_id": 200, "event_type": 100, "session_id": 200}

CASES = [
    ("limit 0", EVENTS, "limit=0", [("limit", "limit_out_of_range")]),
    ("limit below 0", EVENTS, "limit=-1", [("limit", "limit_out_of_range")]),
    ("limit above 1000 is never clamped", EVENTS, "limit=1001", [("limit", "limit_out_of_range")]),
    ("limit of top types too", TYPES, "limit=1001", [("limit", "limit_out_of_range")]),
    ("limit that isn't a number", EVENTS, "limit=ten", [("limit", "invalid_integer")]),
    ("limit with a fraction", EVENTS, "limit=1.0", [("limit", "invalid_integer")]),
    ("limit with an underscore", EVENTS, "limit=1_0", [("limit", "invalid_integer")]),
    ("limit in other digits", EVENTS, "limit=%D9%A1%D9%A0", [("limit", "invalid_integer")]),
    ("limit of a thousand digits", EVENTS, "limit=" + "9" * 1000, [("limit", "invalid_integer")]),
    ("limit empty", EVENTS, "limit=", [("limit", "invalid_integer")]),
    ("limit without a value", EVENTS, "limit", [("limit", "invalid_integer")]),
    ("time that isn't one", EVENTS, "from=yesterday", [("from", "invalid_timestamp")]),
    ("time without an offset", EVENTS, "to=2026-03-01T10:00:00", [("to", "invalid_timestamp")]),
    ("date alone", TYPES, "from=2026-03-01", [("from", "invalid_timestamp")]),
    ("a plus that means a space", TYPES, "to=2026-03-01T10:00:00+01:00", [("to", "invalid_timestamp")]),
    ("seconds since 1970", TYPES, "to=1772359200", [("to", "invalid_timestamp")]),
    ("year 0 in UTC", EVENTS, "from=0001-01-01T00:00:00%2B05:00", [("from", "timestamp_out_of_range")]),
    ("year 9999", TYPES, "to=9999-12-31T23:59:59Z", [("to", "timestamp_out_of_range")]),
    ("year 10000 in UTC", EVENTS, "to=9999-12-31T23:59:59-05:00", [("to", "timestamp_out_of_range")]),
    ("from after to", EVENTS, "from=2026-03-01T10:00:00Z&to=2026-03-01T09:00:00Z", [("from", "reversed_range")]),
    ("from after to in top types", TYPES, "from=2026-03-02T00:00:00Z&to=2026-03-01T00:00:00Z", [("from", "reversed_range")]),
    ("window wider than a week", EVENTS, "from=2026-03-01T00:00:00Z&to=2026-03-08T00:00:01Z", [("from", "window_too_wide")]),
    ("window from long ago until now", EVENTS, "from=2020-01-01T00:00:00Z", [("from", "window_too_wide")]),
    ("window until the end of time", EVENTS, "from=2020-01-01T00:00:00Z&to=9998-01-01T00:00:00Z", [("from", "window_too_wide")]),
    ("unknown parameter", EVENTS, "user=ann", [("user", "unknown_parameter")]),
    ("unknown parameter of top types", TYPES, "user_id=ann", [("user_id", "unknown_parameter")]),
    ("names have a case", EVENTS, "User_ID=ann", [("User_ID", "unknown_parameter")]),
    ("several unknown parameters", EVENTS, "a=1&b=2", [("a", "unknown_parameter"), ("b", "unknown_parameter")]),
    ("an internal name", EVENTS, "start=2026-03-01T10:00:00Z", [("start", "unknown_parameter")]),
    ("property without a name", EVENTS, "property=pro", [("property", "unknown_parameter")]),
    ("property with an empty name", EVENTS, "property.=pro", [("property.", "length")]),
    ("property of top types", TYPES, "property.plan=pro", [("property.plan", "unknown_parameter")]),
    *[
        (f"a comparison that doesn't exist: {query}", path, query, [(name, "unknown_operator")])
        for path in (EVENTS, "/events/export", "/events/live", "/stats/sessions", "/stats/paths")
        for query, name in [
            ("property.a!=x", "property.a!"), ("property.a%3E=5", "property.a>"), ("property.a<=5", "property.a<"),
            ("property.a>5", "property.a>5"), ("property.a<5", "property.a<5"), ("property.a!", "property.a!"),
            ("property.a~=x", "property.a~"), ("property.a!~x", "property.a!~x"), ("property.!=x", "property.!"),
        ]
    ],
    (
        "comparisons that don't exist beside another mistake",
        EVENTS,
        "property.a!=x&property.b=%00&property.c=1",
        [("property.a!", "unknown_operator"), ("property.b", "nul_character")],
    ),
    ("user given twice", EVENTS, "user_id=ann&user_id=bob", [("user_id", "repeated_parameter")]),
    ("limit given twice", TYPES, "limit=1&limit=1", [("limit", "repeated_parameter")]),
    ("property given twice", EVENTS, "property.a=1&property.a=2", [("property.a", "repeated_parameter")]),
    ("too many types", EVENTS, "&".join(f"event_type=t{n}" for n in range(51)), [("event_type", "too_many")]),
    ("too many properties", EVENTS, "&".join(f"property.p{n}=1" for n in range(51)), [("property", "too_many")]),
    ("too many sources", EVENTS, "&".join(f"source=s{n}" for n in range(51)), [("source", "too_many")]),
    ("a source too long", TYPES, f"source={'x' * 101}", [("source", "length")]),
    ("a source with U+0000", TYPES, "source=a%00", [("source", "nul_character")]),
    ("an empty source", EVENTS, "source=", [("source", "length")]),
    *[(f"{name} empty", EVENTS, f"{name}=", [(name, "length")]) for name in LONG],
    *[(f"{name} too long", EVENTS, f"{name}={'x' * (most + 1)}", [(name, "length")]) for name, most in LONG.items()],
    *[(f"{name} with U+0000", EVENTS, f"{name}=a%00b", [(name, "nul_character")]) for name in LONG],
    ("property's name with U+0000", EVENTS, "property.a%00=1", [("property.a\0", "nul_character")]),
    ("property's value with U+0000", EVENTS, "property.a=%00", [("property.a", "nul_character")]),
    (
        "every mistake at once",
        EVENTS,
        "user_id=&event_type=ok&event_type=&from=x&limit=0&property.a=%00&foo=1&cursor=x&session_id=a&session_id=b",
        [
            ("user_id", "length"),
            ("event_type", "length"),
            ("from", "invalid_timestamp"),
            ("limit", "limit_out_of_range"),
            ("property.a", "nul_character"),
            ("foo", "unknown_parameter"),
            ("cursor", "invalid_cursor"),
            ("session_id", "repeated_parameter"),
        ],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("path", "query", "errors"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_mistakes_are_named(get, path, query, errors):
    answer = get(path, f"?{query}")
    assert answer.status_code == 422, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert problem["code"] == "invalid_parameters"
    assert problem["status"] == 422
    assert problem["request_id"] == answer.headers["X-Request-ID"]
    assert sorted((error["parameter"], error["code"]) for error in problem["errors"]) == sorted(errors)
    assert all(error["detail"].endswith((".", "`.")) for error in problem["errors"])


ACCEPTED = [
    ("nothing", EVENTS, ""),
    ("nothing, with a question mark", TYPES, "?"),
    ("texts at their bounds", EVENTS, f"?user_id={'u' * 200}&event_type={'é' * 100}&session_id={'😀' * 200}"),
    ("as many types as may be", EVENTS, "?" + "&".join(f"event_type=t{n}" for n in range(50))),
    ("limits at their bounds", EVENTS, "?limit=1000"),
    ("limits at their bounds in top types", TYPES, "?limit=1"),
    ("a leading zero", TYPES, "?limit=010"),
    ("a window of exactly a week", EVENTS, "?from=2026-03-01T00:00:00Z&to=2026-03-08T00:00:00Z"),
    ("any range for one user", EVENTS, "?user_id=a&from=0001-01-01T00:00:00Z&to=9998-12-31T23:59:59Z"),
    ("any range for top types", TYPES, "?from=0001-01-01T00:30:00Z&to=9998-12-31T23:59:59.999999Z"),
    ("an encoded plus", TYPES, "?to=2026-03-01T10:00:00%2B01:00"),
    ("signs inside of a property's name", EVENTS, "?property.a->b=x&property.a!b=x&property.~a=x"),
    ("signs in a property's value", EVENTS, "?property.a=>5&property.b=~x&property.c=!"),
    ("lower-case t and z", TYPES, "?to=2026-03-01t10:00:00z"),
]


@pytest.mark.parametrize(("path", "query"), [case[1:] for case in ACCEPTED], ids=[case[0] for case in ACCEPTED])
def test_what_is_allowed_is_answered(get, path, query):
    assert get(path, query).status_code == 200


def test_a_wide_window_is_refused_with_the_way_out(get):
    (error,) = get("/events", from_="2020-01-01T00:00:00Z").json()["errors"]
    assert "168 h" in error["detail"]
    assert "user_id" in error["detail"]


def test_a_query_string_that_is_not_utf8_is_a_bad_request(get):
    answer = get("/events", "?user_id=%ff")
    assert answer.status_code == 400
    assert answer.json()["code"] == "malformed_query"


def test_a_query_string_of_very_many_parameters_is_a_bad_request(get):
    answer = get("/events", "?" + "&".join(f"a{n}=" for n in range(201)))
    assert answer.status_code == 400
    assert answer.json()["code"] == "malformed_query"


def test_the_window_follows_the_settings(start_service, postgres, shared_database, shared_owner):
    url = postgres.url(shared_database, "query")
    narrow = start_service("query", DATABASE_URL=url, WINDOW_HOURS=2, WINDOW_MAX_HOURS=3)
    to = "2026-03-01T10:00:00Z"
    window = requests.get(f"{narrow.url}/events", params={"to": to}, timeout=30).json()["window"]
    assert window == {"from": "2026-03-01T08:00:00Z", "to": to}
    for start, status in (("2026-03-01T07:00:00Z", 200), ("2026-03-01T06:59:59Z", 422)):
        assert requests.get(f"{narrow.url}/events", params={"from": start, "to": to}, timeout=30).status_code == status

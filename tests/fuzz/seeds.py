"""Where fuzzing starts, and what it puts in."""

import base64
import json
from pathlib import Path

CLIENTS = Path(__file__).parents[1] / "fixtures" / "clients"


def batch(client: str) -> bytes:
    """The body of the last request that a client was seen to post."""
    found = json.loads((CLIENTS / f"{client}.json").read_text())["requests"]
    last = [one for one in found if one["method"] == "POST"][-1]
    if "text" in last:
        return str(last["text"]).encode()
    return base64.b64decode(last["base64"]) if "base64" in last else json.dumps(last["json"]).encode()


EVENTS = [
    b'{"specversion":"1.0","id":"01932a8b-6a00-7abc-8def-0123456789ab","source":"/a","type":"b","subject":"ann","data":{"a":1e5},"x":true}',
    b'{"specversion":"1.0","id":"1","source":"/\\ud800","type":"b","time":"2026-02-28T10:00:00.1234567+01:00","userid":7,"data":[NaN],"data_base64":null}',
]
"""CloudEvents."""

EVENT = b'{"user_id":"ann","event_type":"view","timestamp":"2026-02-28T10:00:00.123456+01:00","event_id":"01932a8b-6a00-7abc-8def-0123456789ab","session_id":"s","properties":{"a":[1,-2.5e3,"\\u00e9\\ud83d\\ude00",null,true,{"b":{}}]}}'
CURSOR = b'["AAAAAAAAAAA=","2026-03-01T00:00:00Z","2026-03-02T00:00:00+02:00",["2026-03-01T10:00:00Z","ann","5e2b9c1a-7c44-4b9e-9d52-0a7f0c6f6a11"]]'
FILTERS = [
    b'{"field":"property.a.b","operator":"contains","value":1.50}',
    b'{"field":"property.c\\\\.d","operator":"one_of","value":["x",true,-1e-7]}',
    b'{"field":"timestamp","operator":"gte","value":"2026-02-28T10:00:00Z"}',
    b'{"field":"session_id","operator":"not_set"}',
]
SESSION_FILTER = b'{"session":{"entry":{"field":"property.page","operator":"is","value":"/"},"among":{"field":"event_type","operator":"is","value":"page_view"}}}'
STATEMENTS = [
    b"select event_type, count(*) from events group by all order by 2 desc",
    b"explain analyze select * from pages where page like '/a%' -- end",
    b"with x as (select user_id, min(timestamp) as t from events group by 1) select * from x join users using (user_id);",
    b"select properties->>'price', e.properties->>'a.b' from events as e, unnest([1, 2]) as u(n) where n in (select 1)",
    b"with recursive r(n) as (select 1 union all select n + 1 from r where n < 5) select * from r, range(3) limit 50%",
    b"select lag(seconds) over (partition by user_id order by started) from sessions qualify row_number() over () < 3",
    b"select list_transform([1], lambda x: x + 1), {'a': 1}['a'], x'41', $$a;b$$, 'it''s', \"c\" from events /* ; */",
    b"from events select * exclude (properties) union all by name from pages;;",
    b"select * from read_text('/etc/passwd')",
    b"copy events to 'x'",
    b"select 1; select 2",
    b"select getenv('HOME')",
    b"(" * 400 + b"select 1" + b")" * 400,
    b"select $a",
    b"pivot events on event_type",
    b"select '\0'",
]
SQL_WORDS = b"select from where with as ( ) events pages sessions users properties ->> ' \" -- /* */ ; $$ union all join on in ::json limit values recursive explain analyze describe summarize lateral read_csv unnest( range( getenv( query( columns(*) * . , lambda".split()

NAMES = b"filter field operator value and or user_id event_type session_id property.a limit cursor from to tz explain interval metric breakdown gap longest by key period start direction depth format after window steps properties".split()
TIMES = b"2026-02-28T10:00:00Z 2026-02-28 2016-12-31T23:59:60Z 0001-01-01T00:00:00+14:00 9999-12-31T23:59:59-14:00 0002-01-01 9997-12-31 2026-02-30".split()
CHOICES = b"is is_not one_of contains starts_with set not_set gt lte property.a.b timestamp minute hour day week month events users sessions event_type property:a next previous ndjson csv parquet true false Europe/Paris UTC".split()

SEEDS: dict[str, list[bytes]] = {
    "body": [
        b"j" + EVENT,
        b"j" + EVENT.replace(b"2026-02-28T10:00:00.123456", b"2017-01-01T00:59:60.5").replace(b"ude00", b"u0000"),
        b"j[" + EVENT + b"," + EVENT + b"]",
        b"n" + EVENT + b"\n\n" + EVENT,
        b'j[NaN,{"user_id":"\\ud800","event_type":"\\u0000","properties":{"a":1e400,"a":Infinity}},' + EVENT + b"]",
        b'j{"user_id":"ann","event_type":"view","properties":' + b'{"a":' * 32 + b"1" + b"}" * 32 + b"}",
        b"j" + b"[" * 2000 + b"]" * 2000,
        b'j{"user_id":"ann","event_type":"view","properties":{"a":' + b"9" * 4300 + b"}}",
        b'j[{"user_id":"ann","event_type":"view","properties":{"a":' + b"9" * 4301 + b"}}]",
        b'j[{"user_id":"ann","event_type":"view","properties":{"a":[' + b"1e308," * 220 + b"0]}}," + EVENT + b"]",
        b'n{"user_id":"ann","event_type":"view","properties":{"a":[1e308,5E-0324,-0.0,1e-400,0e0,1e22,1.5e-7,"12e45678"]}}',
        b'j{"user_id":[1e308],"event_type":"view","properties":{"a":1e' + b"0" * 400 + b'1,"b":' + b"1" * 400 + b"e-700}}",
    ],
    "segment": [b"\0" + batch(name) for name in ("segment_node", "rudder_python", "segment_browser_batching")] + [
        b"\1" + batch("segment_browser"), b"\2" + batch("rudder_browser"), b'\0{"batch":[NaN,{"type":"page","userId":1e5,"messageId":"\\ud800"}]}',
        b'\0{"batch":[{"type":"track","userId":"a","properties":{"a":NaN},"context":{"page":{"url":"https://[::1"},"library":{"name":"\\u0000"}}}]}',
    ],
    "posthog": [b"\0" + batch(name) for name in ("posthog_node", "posthog_python")] + [b'\0[{"event":"$set","$set":{"a":1e400}}]'],
    "amplitude": [b"\0" + batch(name) for name in ("amplitude_node", "amplitude_python")] + [b'\0{"events":[{"event_type":"$groupidentify","user_id":7,"time":"1e3","groups":{"a":1},"b":NaN,"insert_id":"\\ud800"}]}'],
    "mixpanel": [b"\0" + batch(name) for name in ("mixpanel_node", "mixpanel_python")] + [b'\0[{"event":"$identify","properties":{"distinct_id":7,"time":"1e12","$anon_id":"$device:a","b":NaN,"$insert_id":"\\ud800"}},{"event":"$create_alias","properties":{"time":-1e400}}]'],
    "snowplow": [b"\0" + batch(name) for name in ("snowplow_node", "snowplow_python")] + [b'\0{"data":[{"e":"ue","uid":7,"dtm":"-1.5e3","ue_px":"e30","co":"{}","b":NaN,"eid":"\\ud800"},{"e":"se","se_ac":"a","se_va":"1e400"}]}'],
    "cloudevents": [b"\0" + EVENTS[0], b"\1[" + b",".join(EVENTS) + b"]"],
    "ce-headers": [b'specversion:1.0\nid:1\nsource:/a%20b\ntype:"a \\"b"\ntime:2026-02-28T10:00:00.123456789Z\nsubject:\xe2\x82\xac\ncontent-type:text/plain\n\nhello', b'specversion:1.0\nid:1\nsource:/a\ntype:b\ntime:2026-02-28T10:00:00Z\nuserid:%ff\n\n{"a":[NaN,1e400]}'],
    "otlp": [b"\0" + batch("otel_logs"), b"\1" + batch("otel_logs_python"), b'\0{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"eventName":"a","timeUnixNano":1772272800000000000,"attributes":[{"key":"user.id","value":{"intValue":"7"}},{"key":"b","value":{"bytesValue":"_-8"}},{"key":"c","value":{"doubleValue":"NaN"}}],"body":{"arrayValue":{"values":[{"kvlistValue":{"values":[{}]}}]}}}]}]}]}'],
    "cursor": [b"j" + CURSOR, b"b" + base64.urlsafe_b64encode(CURSOR).rstrip(b"="), b"b", b"j[]", b"b\xe9"],
    "query": [
        *(bytes([number]) + b"limit=5&tz=Europe/Paris&from=2026-02-01&to=2026-02-28T10%3A00%3A00%2B01%3A00" for number in range(17)),
        *(bytes([number]) + b"by=entry&limit=3&interval=day&filter=" + SESSION_FILTER for number in (14, 15)),
        b"\0user_id=ann&event_type=view&event_type=click&property.a=1&session_id=%C3%A9&limit=5",
        b"\0user_id=ann&cursor=" + base64.urlsafe_b64encode(CURSOR).rstrip(b"="),
        b"\0filter=property.a%5C.b:one_of:a,b%5C,c&filter=event_type:is_not:view&filter=property.c:gt:-1.5&filter=session_id:set",
        b'\3filter={"or":[' + b",".join(FILTERS) + b"]}",
        b"\2format=csv&after=2026-03-01T10:00:00Z,5e2b9c1a-7c44-4b9e-9d52-0a7f0c6f6a11,a,b&limit=10",
        b"\5interval=hour&metric=users&breakdown=property:a&gap=5",
        b"\10key=page&limit=3",
        b"\12start=view&direction=previous&depth=5&by=property:a",
    ],
    "question": [
        *(bytes([number]) + b'{"from":"2026-02-01","to":"2026-02-28T10:00:00Z","tz":"UTC","source":["a"],"event_type":["b"],"property":{"c":"d"},"explain":true}' for number in range(7)),
        *(bytes([number]) + b'{"limit":5,"gap":"60","key":"page","by":"property:a","filter":{"or":[' + b",".join(FILTERS) + b"]}}" for number in range(7)),
        *(bytes([number]) + b'{"from":1,"to":[],"tz":{},"source":"a","event_type":[1],"property":["c"],"explain":1,"limit":1e308,"key":5,"by":[],"interval":[],"filter":[]}' for number in range(7)),
    ],
    "sql": [
        *(b"s" + statement for statement in STATEMENTS),
        b'j{"sql":"select 1","from":"2026-02-01","to":"2026-02-28T10:00:00Z","tz":"UTC","source":["a"],"limit":5,"format":"csv","identity":"raw"}',
        b'j{"sql":"select \\u00e9\\n-- \\ud83d\\ude00"}', b'j{"sql":"\\u0000"}', b'j{"sql":1,"limit":1e400,"format":[],"source":{}}',
    ],
    "search": [
        *(b'{"filter":' + part + b"}" for part in FILTERS),
        b'{"filter":{"and":[' + b",".join(FILTERS) + b',{"or":[{"and":[' + FILTERS[0] + b"]}]}]}}",
        b'{"filter":{"and":[' * 9 + b"]}}" * 9,
        b'{"filter":{"field":[],"operator":{},"value":[[]],"and":null,"or":[1]}}',
        b'{"filter":{"field":"property.a","operator":"lt","value":' + b"9" * 1100 + b"}}",
    ],
    "funnel": [
        b'{"from":"2026-02-01","to":"2026-02-28T10:00:00Z","tz":"UTC","window":60,"steps":[{"event_type":"a"},{"event_type":"b","properties":{"c":"d"}}]}',
        b'{"steps":[{"event_type":"a"},{"event_type":"b"}],"window":"60"}',
        b'{"steps":[1,null,[],{"properties":[]}],"from":1,"tz":[],"window":1e400}',
        b'{"steps":[1e308,5E-0324,{"properties":{"a":-1e300}}],"window":1e308}',
        b"[]",
    ],
}  # fmt: skip
"""Where fuzzing starts."""

WORDS: list[bytes] = [
    *(b'"' + name + b'":' for name in NAMES),
    *(name + b"=" for name in NAMES),
    *TIMES,
    *(b'"' + time + b'"' for time in TIMES),
    *CHOICES,
    *SQL_WORDS,
    *b"NaN -Infinity 1e400 1e-400 1e308 5e-324 -0.0 99999999999999999999 null true { } [ ] , : & = %00 %ff %C3%A9 +".split(),
    *[b'"\\u0000"', b'"\\ud800"', b'"\\udc00\\ud800"', b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\0", b"\n", b'{"a":' * 31],
]
"""What chance alone would seldom write."""

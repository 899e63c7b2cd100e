-- name: linking_days
-- The days, in UTC, with events that may link ids.
select distinct date_bin('1 day', hour, timestamptz '2000-01-01 00:00:00+00') as day
from event_counts
where event_type in ('identify', 'alias')
order by day;

-- name: relink_day
-- Makes the links of a day's events, as the statement that stores events does. Rows that are there, removed ones too, only move to an
-- earlier event.
insert into links as known (source, alias, person, at, event_id)
select distinct on (source, alias, user_id) source, alias collate "C", user_id, "timestamp", event_id
from events
cross join lateral link_of_event(event_type, user_id, properties) as link
where "timestamp" >= %(day)s and "timestamp" < %(day)s + interval '24 hours' and event_type in ('identify', 'alias') and alias is not null
order by source, alias collate "C", user_id, "timestamp", event_id
on conflict (source, alias, person) do update
set at = excluded.at, event_id = excluded.event_id, changed = excluded.changed
where (excluded.at, excluded.event_id) < (known.at, known.event_id)
returning 1;

-- name: renumber_restored_links
-- Links from a dump of another server may name transactions that this one hasn't reached yet: query services would take them for changed
-- just now, and read them all for each question.
update links set changed = default where changed >= pg_snapshot_xmax(pg_current_snapshot());

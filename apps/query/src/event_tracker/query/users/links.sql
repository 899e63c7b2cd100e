-- Links between ids, when a person is erased, anonymised or exported.

-- name: shut_out_links
-- Nobody makes a link until the transaction ends; statements that have begun to are waited for. So this transaction must not hold what
-- they may wait for: events, users, counters.
lock table links in share row exclusive mode;

-- name: lock_links
-- All links from or to these ids. It waits for transactions that are storing events which make them, so that relink sees these.
select 1
from links
where (alias = any (%(user_ids)b::text[]) or person = any (%(user_ids)b::text[]))
  and (%(sources)b::text[] is null or source = any (%(sources)b::text[]))
order by source, alias, person
for update;

-- name: anonymise_links
-- Links that count, or could, between the new users. Their events have new ids, in the same order.
with renamed as (
  select * from unnest(%(user_ids)b::text[], %(new_user_ids)b::text[]) as id (user_id, new_user_id)
),
mine as (
  select
    source, new_alias.new_user_id as alias, new_person.new_user_id as person, at,
    row_number() over (order by at, event_id, source, links.alias, links.person) as number
  from links
  join renamed as new_alias on new_alias.user_id = links.alias
  join renamed as new_person on new_person.user_id = links.person
  where removed_at is null and (%(sources)b::text[] is null or source = any (%(sources)b::text[]))
),
ids as (
  select id, row_number() over (order by id) as number from (select gen_random_uuid() as id from mine) as random
)
insert into links (source, alias, person, at, event_id)
select source, alias, person, at, id from mine join ids using (number)
returning 1;

-- name: erase_links
delete from links
where (alias = any (%(user_ids)b::text[]) or person = any (%(user_ids)b::text[]))
  and (%(sources)b::text[] is null or source = any (%(sources)b::text[]))
returning 1;

-- name: relink
-- Makes the links of the events that stay: those that were being stored when the others were deleted.
insert into links as known (source, alias, person, at, event_id)
select distinct on (source, alias, user_id) source, alias collate "C", user_id, "timestamp", event_id
from events
cross join lateral link_of_event(event_type, user_id, properties) as link
where user_id = any (%(user_ids)b::text[]) and event_type in ('identify', 'alias')
  and (%(sources)b::text[] is null or source = any (%(sources)b::text[])) and alias is not null
order by source, alias collate "C", user_id, "timestamp", event_id
on conflict (source, alias, person) do update
set at = excluded.at, event_id = excluded.event_id, changed = excluded.changed
where (excluded.at, excluded.event_id) < (known.at, known.event_id)
returning 1;

-- name: export_links
select source, alias, person, at, event_id, removed_at
from links
where (alias = any (%(user_ids)b::text[]) or person = any (%(user_ids)b::text[]))
  and (%(sources)b::text[] is null or source = any (%(sources)b::text[]))
order by source, alias, person;

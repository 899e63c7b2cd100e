-- name: catalog_version
-- The version changes each time that a source or a key is changed.
select version from catalog_version;

-- name: list_sources
select name, allowed_origins, enabled, rate_limit, schema_mode from sources;

-- name: list_plans
-- The current schemas: the newest of each event type, of sources whose mode isn't off.
select distinct on (source, event_type) source, event_type, version, event_schemas.created_at
from event_schemas
join sources on sources.name = source
where schema_mode <> 'off'
order by source, event_type, version desc;

-- name: read_schemas
select source, event_type, version, created_at, schema::text
from event_schemas
join unnest(%(sources)b::text[], %(event_types)b::text[], %(versions)b::int[]) as wanted (source, event_type, version)
  using (source, event_type, version);

-- name: list_keys
select prefix, source, hash from write_keys where revoked_at is null;

-- name: write_uses
-- When keys were last used; several collectors may report different times.
update write_keys as keys
set last_used = greatest(keys.last_used, used.at)
from unnest(%(prefixes)b::text[], %(times)b::timestamptz[]) as used (prefix, at)
where keys.prefix = used.prefix
returning keys.prefix;

-- name: write_set_aside
-- Until when schemas are set aside, in seconds from now; a version that was deleted meanwhile is left out.
insert into schemas_set_aside as known (source, event_type, version, until)
select source, event_type, version, now() + make_interval(secs => seconds)
from unnest(%(sources)b::text[], %(event_types)b::text[], %(versions)b::int[], %(seconds)b::float8[])
  as given (source, event_type, version, seconds)
join event_schemas using (source, event_type, version)
order by source, event_type, version
on conflict (source, event_type, version) do update set until = greatest(known.until, excluded.until)
returning version;

-- name: take_events
-- Admits events that use the rate of so many seconds, unless more than the burst is used already. Returns whether they are
-- admitted, and up to how many seconds from now the rate is used.
with taken as (
  insert into rate_limits as known (prefix, used_up_to)
  values (%(prefix)b, now() + make_interval(secs => %(seconds)b))
  on conflict (prefix) do update
  set used_up_to = greatest(known.used_up_to, now()) + make_interval(secs => %(seconds)b)
  where known.used_up_to <= now() + make_interval(secs => %(burst)b)
  returning used_up_to
)
select true, extract(epoch from used_up_to - now())::float8 from taken
union all
select false, extract(epoch from used_up_to - now())::float8 from rate_limits where prefix = %(prefix)b and not exists (select from taken);

-- name: remove_old_rejections
-- Never an event that is to be replayed. Events that another collector has locked are skipped.
delete from rejections
where id = any(array(
  select id
  from rejections
  where received_at < now() - make_interval(days => %(days)b::int) and replay_requested_at is null
  for update skip locked
))
returning id;

-- name: replay_is_asked
select exists (select from rejections where replay_requested_at is not null);

-- name: take_replays
-- Some refused events to be tried again, the oldest first, locked for this transaction.
select id, source, received_at, payload
from rejections
where replay_requested_at is not null
order by replay_requested_at, id
limit %(most)b::int
for update skip locked;

-- name: forget_rejections
delete from rejections where id = any(%(ids)b::uuid[]);

-- name: refuse_again
-- Writes why events were refused again. They stay, and their replay is done.
update rejections as kept
set reason = again.reason, detail = again.detail, replay_requested_at = null
from unnest(%(ids)b::uuid[], %(reasons)b::text[], %(details)b::jsonb[]) as again (id, reason, detail)
where kept.id = again.id;

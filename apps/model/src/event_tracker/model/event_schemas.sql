-- name: lock_source
-- Serialises transactions that set a schema of the same source: the second sees what the first did.
select name from sources where name = %(source)s for update;

-- name: measure_schemas
-- Bytes of a schema, of the one that it replaces, and of the newest of each other event type: as they are read, which is longer
-- than what was sent where that has numbers such as 1e308.
with newest as (
  select distinct on (event_type) event_type, schema
  from event_schemas
  where source = %(source)s
  order by event_type, version desc
)
select
  octet_length(%(schema)s::jsonb::text),
  coalesce(sum(octet_length(schema::text)) filter (where event_type = %(event_type)s), 0)::int8,
  coalesce(sum(octet_length(schema::text)) filter (where event_type <> %(event_type)s), 0)::int8
from newest;

-- name: set_schema
-- A new version, unless the newest is the same. No row if it would be one event type too many.
with newest as (
  select version, schema
  from event_schemas
  where source = %(source)s and event_type = %(event_type)s
  order by version desc
  limit 1
),
added as (
  insert into event_schemas (source, event_type, version, schema)
  select %(source)s, %(event_type)s, coalesce((select version from newest), 0) + 1, %(schema)s
  where (select schema from newest) is distinct from %(schema)s
    and (
      exists (select from newest)
      or (select count(distinct event_type) from event_schemas where source = %(source)s) < %(most)s
    )
  returning version
)
select version, true from added
union all
select version, false from newest where not exists (select from added);

-- name: forget_versions
-- Versions to be deleted: the oldest of a type that has too many, and the oldest of a source whose schemas take too much
-- together. Their sizes are as stored, so that none of them is read.
delete from event_schemas as old
using (
  select
    event_type,
    version,
    row_number() over (partition by event_type order by version desc) as place,
    sum(pg_column_size(schema)) over (order by created_at desc, event_type, version desc) as bytes
  from event_schemas
  where source = %(source)s
) as kept
where old.source = %(source)s
  and old.event_type = kept.event_type
  and old.version = kept.version
  and place > 1
  and (place > %(versions)s or bytes > %(bytes)s);

-- name: list_schemas
select distinct on (source, event_type) source, schema_mode, event_type, version, event_schemas.created_at, until
from event_schemas
join sources on sources.name = source
left join schemas_set_aside using (source, event_type, version)
where %(sources)s::text[] is null or source = any(%(sources)s)
order by source, event_type, version desc;

-- name: list_versions
select source, event_type, version, created_at, schema
from event_schemas
where source = %(source)s
  and event_type = %(event_type)s
  and (%(version)s::int is null or version = %(version)s)
order by version desc
limit %(most)s;

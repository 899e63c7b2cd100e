-- name: events
create temp view {name} as
select * from ({identified}) where "timestamp" >= {start} and "timestamp" < {end};

-- name: ids
-- `sent_id` is the id that an event was sent with.
select *, user_id as sent_id from ({files})

-- name: persons
-- `user_id` is the person. Of a join, DuckDB may put the events into its hash table, as it takes them for fewer than they are; then they
-- don't come in their order any more, and a funnel takes a tenth longer to sort them. Of a subquery it puts the persons there.
select
  event.* replace (coalesce((select person from {persons} where alias = event.user_id), event.user_id) as user_id),
  event.user_id as sent_id
from ({files}) as event

-- name: persons_of_ids
create temp view persons as select alias, person from {persons};

-- name: nobody
create temp view persons as select null::varchar as alias, null::varchar as person where false;

-- name: no_events
select {columns} where false

-- name: files
select {columns} {properties} from read_parquet({paths}, file_row_number = true)

-- name: without_hours
select * from ({files}) where not ({hours})

-- name: erased
-- Whom the lake may still have; a null is all sources.
create temp table erased as
select unnest($user_ids::varchar[]) as erased_id, unnest($sources::varchar[]) as of_source;

-- name: without_erased
select *
from ({files}) as archived
where not exists (select 1 from erased where erased_id = archived.user_id and (of_source is null or of_source = archived.source))

-- name: first_events
-- Those that stand first in a file. `limit` would take any.
{files} where file_row_number < {most}

-- name: name_keys
-- Names of properties, as values.
set variable {variable} = $keys;

-- name: own_names
-- Properties that have a column of their own in some block, sampled or not, and how many events these blocks have.
create temp table own_names as
select unnest($names::varchar[]) as name, unnest($events::bigint[]) as events;

-- name: all_properties
-- The JSON with the properties that have columns of their own.
json_merge_patch(properties, to_json(map(getvariable({variable}), {values})))

-- name: first_seen
create temp view first_seen as {users};

-- name: earlier
create temp view earlier as select user_id from ({identified}) where "timestamp" < {start};

-- name: first_seen_here
-- The users of the range who have no event before it.
create temp table first_seen as
select user_id, first_seen
from (
  select user_id, min("timestamp") as first_seen
  from ({identified})
  where "timestamp" >= {start} and "timestamp" < {end}
  group by user_id
) as active
anti join earlier using (user_id);

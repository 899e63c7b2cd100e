-- name: events
create temp view events as
select * from ({files}) where "timestamp" >= {start} and "timestamp" < {end};

-- name: no_events
select {columns} where false

-- name: files
select {columns} {properties} from read_parquet({paths})

-- name: without_hours
select * from ({files}) where not ({hours})

-- name: first_events
(select * from ({files}) limit {most})

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
-- One thread reads the file, and lines end by one character, since user ids may have line breaks.
create temp table first_seen as
select user_id, make_timestamptz(first_seen) as first_seen
from read_csv(
  $csv, header = false, auto_detect = false, delim = ',', quote = '"', escape = '"', nullstr = '', allow_quoted_nulls = false,
  parallel = false, new_line = '\n', columns = {{first_seen: 'bigint', user_id: 'varchar'}}
);

-- name: earlier
create temp view earlier as select user_id from ({files}) where "timestamp" < {start};

-- name: first_seen_here
-- The users of the range who have no event before it.
create temp table first_seen as
select user_id, first_seen
from (select user_id, min("timestamp") as first_seen from events group by user_id) as active
anti join earlier using (user_id);

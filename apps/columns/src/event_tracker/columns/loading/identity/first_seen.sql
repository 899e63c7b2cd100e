-- PostgreSQL runs copy_users and seen_before, DuckDB all others.

-- name: copy_users
-- The time comes first: DuckDB takes U+FEFF at the beginning of a file for a byte order mark.
copy (
  select (extract(epoch from first_seen) * 1000000)::bigint, user_id
  from users
  where first_seen >= {start} and first_seen < {end}
) to stdout (format csv)

-- name: copied
-- One thread reads the file, and lines end by one character, since user ids may have line breaks.
select user_id, make_timestamptz(first_seen) as first_seen
from read_csv(
  $csv, header = false, auto_detect = false, delim = ',', quote = '"', escape = '"', nullstr = '', allow_quoted_nulls = false,
  parallel = false, new_line = '\n', columns = {{first_seen: 'bigint', user_id: 'varchar'}}
)

-- name: keep_ids
create table {table} as {copied};

-- name: find_persons
create temp table seen as
select user_id, coalesce(person, user_id) as person, first_seen
from ({copied}) as copied
left join {persons} on user_id = alias;

-- name: other_ids
-- All ids that weren't copied, of the persons of those that were, with their places in a list.
create temp table other as
with linked as materialized (select alias, person from {persons} semi join seen using (person))
select user_id, person, row_number() over () - 1 as place
from (
  select alias as user_id, person from linked
  union all
  select distinct person, person from linked
) as id
anti join seen using (user_id);
create temp table before (user_id varchar);

-- name: part_of_others
select user_id from other where place >= $start and place < $end;

-- name: seen_before
select user_id from users where user_id = any (%(ids)s) and first_seen < %(start)s;

-- name: keep_before
insert into before select unnest($ids::varchar[]);

-- name: keep_persons
-- Those of whom no other id was seen before.
create table {table} as
with person_before as (select person from other semi join before using (user_id))
select person as user_id, min(first_seen) as first_seen
from seen
anti join person_before using (person)
group by person;

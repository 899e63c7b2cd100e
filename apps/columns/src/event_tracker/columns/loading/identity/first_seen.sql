-- name: copy_users
-- The time comes first: DuckDB takes U+FEFF at the beginning of a file for a byte order mark.
copy (
  select (extract(epoch from first_seen) * 1000000)::bigint, user_id
  from users
  where first_seen >= {start} and first_seen < {end}
) to stdout (format csv)

-- name: copied
-- DuckDB. One thread reads the file, and lines end by one character, since user ids may have line breaks.
select user_id, make_timestamptz(first_seen) as first_seen
from read_csv(
  $csv, header = false, auto_detect = false, delim = ',', quote = '"', escape = '"', nullstr = '', allow_quoted_nulls = false,
  parallel = false, new_line = '\n', columns = {{first_seen: 'bigint', user_id: 'varchar'}}
)

-- name: keep_ids
create table {table} as {copied};

-- name: find_persons
-- `link` is the row of the alias: what follows compares these, which is cheaper than to compare ids.
create temp table seen as
select copied.*, person, persons.rowid as link
from ({copied}) as copied
left join {persons} as persons on user_id = alias;

-- name: other_ids
-- All ids that weren't copied, of the persons of those that were, with their places in a list.
create temp table other as
with linked as (select distinct person from seen where link is not null),
not_linked as materialized (select user_id from seen where link is null),
unseen as materialized (select alias, person from {persons} as persons anti join seen on persons.rowid = seen.link)
select user_id, row_number() over () - 1 as place
from (
  select alias as user_id
  from unseen
  semi join (from linked union all from not_linked) as touched (person) using (person)
  union all
  select person from linked anti join not_linked on person = not_linked.user_id
) as id;
create temp table before (user_id varchar);

-- name: part_of_others
select user_id from other where place >= $start and place < $end;

-- name: seen_before
-- PostgreSQL.
select user_id from users where user_id = any (%(ids)s) and first_seen < %(start)s;

-- name: keep_before
-- DuckDB.
insert into before select unnest($ids::varchar[]);

-- name: keep_persons
-- Those of whom no other id was seen before.
create table {table} as
with person_before as (
  select person from {persons} semi join before on alias = before.user_id
  union all
  select user_id from before
)
select coalesce(seen.person, user_id) as user_id, min(first_seen) as first_seen
from seen
anti join person_before on coalesce(seen.person, user_id) = person_before.person
group by 1;

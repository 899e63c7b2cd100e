-- name: this_month
select extract(year from now())::int, extract(month from now())::int;

-- name: is_empty
select not exists (select from event_counts);

-- name: partition_names
-- Every partition but the default one.
select c.relname
from pg_inherits i
join pg_class c on c.oid = i.inhrelid
where i.inhparent = 'events'::regclass and c.relname ~ '^events_\d{4}_\d{2}$'
order by c.relname;

-- name: busy_months
-- Months of which the default partition holds many rows. The bounds leave out what Python's and this table's names
-- can't say: years before 1 and after 9998.
select extract(year from month)::int, extract(month from month)::int, count
from (
  select date_trunc('month', "timestamp") as month, count(*) as count
  from events_default
  where "timestamp" >= '0001-01-01 00:00:00+00' and "timestamp" < '9999-01-01 00:00:00+00'
  group by 1
) as months
where count >= %(many)s
order by month;

-- name: move_rows
with moved as (
  delete from events_default where "timestamp" >= {start} and "timestamp" < {end} returning *
)
insert into {partition} select * from moved;

-- name: count_foldable
-- Counters of closed hours outside slot 0, and how many counters would hold the same.
select count(*), count(distinct (hour, event_type, source))
from event_counts
where hour < now() - %(closed)s::interval and slot <> 0;

-- name: fold_counts
-- Adds the counters of closed hours up in slot 0. A late event may be counted at this moment: collectors lock counters in
-- the order of the primary key, so does this, hence they wait for each other but never deadlock; a counter that was
-- waited for is added as it then is, and one that comes back afterwards is a new row, for the next time.
with closed as materialized (
  select hour, event_type, source, slot
  from event_counts
  where hour < now() - %(closed)s::interval and slot <> 0
  order by hour, event_type, source, slot
  for update
),
folded as (
  delete from event_counts as counts
  using closed
  where (counts.hour, counts.event_type, counts.source, counts.slot) = (closed.hour, closed.event_type, closed.source, closed.slot)
  returning counts.hour, counts.event_type, counts.source, counts.count
),
added as (
  insert into event_counts as counts (hour, event_type, source, slot, count)
  select hour, event_type, source, 0, sum(count)::bigint from folded group by 1, 2, 3 order by 1, 2, 3
  on conflict (hour, event_type, source, slot) do update set count = counts.count + excluded.count
  returning 1
)
select (select count(*) from folded), (select count(*) from added);

-- name: retention_limit
select (now() - %(keep)s::interval)::timestamptz(0)::text;

-- name: expired_partitions
-- Those that hold nothing younger than the limit.
select c.relname, pg_total_relation_size(c.oid)
from pg_inherits i
join pg_class c on c.oid = i.inhrelid
where i.inhparent = 'events'::regclass
  and c.relname ~ '^events_\d{4}_\d{2}$'
  and to_date(right(c.relname, 7), 'YYYY_MM') + interval '1 month' <= %(limit)s::timestamptz
order by c.relname;

-- name: expired_strays
-- What the default partition holds that is older than the limit, and about how much room it takes.
select count(*), coalesce(sum(pg_column_size(stray.*)), 0)::bigint
from events_default as stray
where "timestamp" < %(limit)s::timestamptz;

-- name: delete_strays
delete from events_default where "timestamp" < %(limit)s::timestamptz;

-- name: is_empty
select not exists (select from event_counts);

-- name: this_month
select extract(year from now())::int, extract(month from now())::int;

-- name: partition_names
-- All partitions except the default one.
select c.relname
from pg_inherits i
join pg_class c on c.oid = i.inhrelid
where i.inhparent = 'events'::regclass and c.relname ~ '^events_\d{4}_\d{2}$'
order by c.relname;

-- name: busy_months
-- The months with many rows in the default partition. The bounds leave out years before 1 and after 9998, for which Python
-- has no dates and partitions no names.
select extract(year from month)::int, extract(month from month)::int, count
from (
  select date_trunc('month', "timestamp") as month, count(*) as count
  from events_default
  where "timestamp" >= '0001-01-01 00:00:00+00' and "timestamp" < '9999-01-01 00:00:00+00'
  group by 1
) as months
where count >= %(many)s
order by month;

-- name: copy_rows
-- Copy the rows that weren't copied yet.
insert into {partition}
select *
from events_default as event
where "timestamp" >= {start} and "timestamp" < {end}
  and not exists (
    select
    from {partition} as copied
    where (copied.user_id, copied."timestamp", copied.event_id) = (event.user_id, event."timestamp", event.event_id)
  );

-- name: remove_copied_rows
delete from events_default where "timestamp" >= {start} and "timestamp" < {end};

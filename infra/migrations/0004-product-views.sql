-- What Grafana's Product dashboard reads, and the role that reads it: two views, and nothing else.
--
-- The views are plain: a condition on hour or on "timestamp" goes through to the table, so that it rides
-- event_counts_pkey, or the partitions and events_timestamp_brin. They show columns, not rows, less: no properties, no
-- session, no id. The new schema is nobody's business but grafana's: the services don't need this migration.

do $$
begin
  if not exists (select from pg_roles where rolname = 'grafana') then
    create role grafana login connection limit 10;
    -- What a session starts with; the rights below are what holds. A role made by an administrator keeps what he gave it.
    alter role grafana set default_transaction_read_only = on;
    alter role grafana set statement_timeout = '15s';
  end if;
exception
  -- Another database on the same server is being migrated at this moment and was first.
  when duplicate_object or unique_violation then null;
end
$$;

create schema product;

create view product.event_counts as
select hour, event_type, sum(count)::bigint as count
from public.event_counts
group by hour, event_type;

comment on view product.event_counts is 'Events of each type in each hour (UTC). Outlives the events. Bound it by hour.';

create view product.events as
select "timestamp", event_type, user_id
from public.events;

comment on view product.events is 'Who did what when. Bound it by "timestamp".';

grant usage on schema product to grafana;
grant select on product.event_counts, product.events to grafana;

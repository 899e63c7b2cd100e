-- Events of one moment are in the order in which they arrived. The statement that stores them says so in received_at: when it
-- began, and a microsecond more for each event before in the same statement. So it costs no column, and what is stored
-- already keeps its order, as far as it was known.
--
-- The same visits as before but for that order, and the days that are summed up by it. `tracker maintain` sums the others up
-- anew; until then, questions about sessions and paths read their events.

alter table summarised_days add column visits_version smallint not null default 0;

comment on column summarised_days.visits_version is '1: visits.event_types is in the order of (timestamp, received_at, event_id).';

comment on column visits.event_types is 'Of its events in the order of (timestamp, received_at, event_id).';

comment on column events.received_at is 'When it was received; among events of one statement, a microsecond later than the one before.';

create or replace function visits_of_day (the_day timestamptz, the_user text default null) returns setof visits language sql stable as $$
  select
    the_day, user_id, session_id, min("timestamp"), max("timestamp"),
    array_agg(event_type order by "timestamp", received_at, event_id)
  from events
  where "timestamp" >= the_day and "timestamp" < (the_day at time zone 'UTC' + interval '24 hours') at time zone 'UTC'
    and session_id is not null and (the_user is null or user_id = the_user)
  group by user_id, session_id
  union all
  select the_day, user_id, '', min("timestamp"), max("timestamp"), array_agg(event_type order by "timestamp", received_at, event_id)
  from (
    select *, sum(begins) over in_order as number
    from (
      select
        *,
        case when "timestamp" - lag("timestamp") over in_order <= interval '1800 seconds' then 0 else 1 end as begins
      from events
      where "timestamp" >= the_day and "timestamp" < (the_day at time zone 'UTC' + interval '24 hours') at time zone 'UTC'
        and session_id is null and (the_user is null or user_id = the_user)
      window in_order as (partition by user_id order by "timestamp", received_at, event_id)
    ) as unnamed
    window in_order as (partition by user_id order by "timestamp", received_at, event_id)
  ) as numbered
  group by user_id, number
$$;

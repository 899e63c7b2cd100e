-- The same visits as before. The end of the day is computed so that the planner knows it: it then opens the one partition that
-- the day lies in, and not all later ones as well. (The sum of a timestamptz and an interval depends on the session's zone.)

create or replace function visits_of_day (the_day timestamptz, the_user text default null) returns setof visits language sql stable as $$
  select the_day, user_id, session_id, min("timestamp"), max("timestamp"), array_agg(event_type order by "timestamp", event_id)
  from events
  where "timestamp" >= the_day and "timestamp" < (the_day at time zone 'UTC' + interval '24 hours') at time zone 'UTC'
    and session_id is not null and (the_user is null or user_id = the_user)
  group by user_id, session_id
  union all
  select the_day, user_id, '', min("timestamp"), max("timestamp"), array_agg(event_type order by "timestamp", event_id)
  from (
    select *, sum(begins) over in_order as number
    from (
      select
        *,
        case when "timestamp" - lag("timestamp") over in_order <= interval '1800 seconds' then 0 else 1 end as begins
      from events
      where "timestamp" >= the_day and "timestamp" < (the_day at time zone 'UTC' + interval '24 hours') at time zone 'UTC'
        and session_id is null and (the_user is null or user_id = the_user)
      window in_order as (partition by user_id order by "timestamp", event_id)
    ) as unnamed
    window in_order as (partition by user_id order by "timestamp", event_id)
  ) as numbered
  group by user_id, number
$$;

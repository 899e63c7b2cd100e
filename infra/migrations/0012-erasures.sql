-- People's right to their data: what was erased or anonymised and when, and how long each source's events are kept.
--
-- An erasure is one transaction of the role `control` over everything that is stored of a user. It holds this table's lock,
-- and so does each step of `tracker maintain` that moves, folds, sums up or deletes: one of them at a time. Collectors and
-- readers never touch the table.

create table erasures (
  id      uuid        not null,
  at      timestamptz not null,
  mode    text        not null,
  counts  jsonb       not null,
  receipt text        not null,

  constraint erasures_pkey primary key (id),
  constraint erasures_mode check (mode in ('erase', 'anonymise'))
);

comment on column erasures.receipt is 'As it was answered (JWS). Without its salt, which isn''t stored, it doesn''t tell whose data it was.';

alter table sources add column keep integer;
alter table sources add constraint sources_keep check (keep between 1 and 36500);

comment on column sources.keep is 'Days for which its events are kept; null is what `tracker maintain --keep` says.';

-- The part of each session that lies in a day, as `visits` holds it (docs/definitions.md): of everybody, or of one user.
create function visits_of_day (the_day timestamptz, the_user text default null) returns setof visits language sql stable as $$
  select the_day, user_id, session_id, min("timestamp"), max("timestamp"), array_agg(event_type order by "timestamp", event_id)
  from events
  where "timestamp" >= the_day and "timestamp" < the_day + interval '24 hours' and session_id is not null
    and (the_user is null or user_id = the_user)
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
      where "timestamp" >= the_day and "timestamp" < the_day + interval '24 hours' and session_id is null
        and (the_user is null or user_id = the_user)
      window in_order as (partition by user_id order by "timestamp", event_id)
    ) as unnamed
    window in_order as (partition by user_id order by "timestamp", event_id)
  ) as numbered
  group by user_id, number
$$;

-- It may lock the table (MAINTAIN), but neither change nor remove what stands in it.
grant select, insert, maintain on erasures to control;
grant select, delete on events to control;
grant update (user_id, event_id, session_id, properties, violations) on events to control;
grant select, update, delete on event_counts, property_counts, summarised_days to control;
grant select, insert, update, delete on users, visits to control;

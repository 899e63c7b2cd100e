-- Days that are over (UTC), summed up by `tracker maintain`: how often each property had which value, and who came for how
-- long to do what. A month's commonest pages, sessions and paths needn't be read from its events then.
--
-- summarised_days says how many events a day had when it was summed up. A question takes a day's summary only if
-- event_counts, which every insert keeps, still says the same number; otherwise it reads the day's events. Events are
-- never changed, so nothing late is ever missed, and a summary costs an insert nothing.

create table summarised_days (
  day      timestamptz             not null,
  events   bigint                  not null,
  left_out text[]      collate "C" not null,

  constraint summarised_days_pkey      primary key (day),
  constraint summarised_days_whole_day check (day = date_bin('1 day', day, timestamptz '2000-01-01 00:00:00+00'))
);

comment on column summarised_days.left_out is 'Properties with too many or too long values to be counted that day.';

-- By type, and of all types together: the type '' (which no event has).
create table property_counts (
  day        timestamptz             not null,
  key        text        collate "C" not null,
  event_type text        collate "C" not null,
  value      text        collate "C" not null,
  count      bigint                  not null,

  -- The count is in the index, so that a month's values are read from it alone.
  constraint property_counts_pkey     primary key (key, day, event_type, value) include (count),
  constraint property_counts_positive check (count > 0)
);

-- One row for the part of a session that lies in a day. Events without session_id have '' (which no event has), and a
-- row for each stretch without a pause of more than 1,800 s.
create table visits (
  day         timestamptz             not null,
  user_id     text        collate "C" not null,
  session_id  text        collate "C" not null,
  first       timestamptz             not null,
  last        timestamptz             not null,
  event_types text[]      collate "C" not null,

  constraint visits_pkey primary key (day, user_id, session_id, first)
);

comment on column visits.event_types is 'Of its events in the order of (timestamp, event_id).';

-- Joins the parts of a session.
create aggregate concatenated (anycompatiblearray) (
  sfunc = array_cat,
  stype = anycompatiblearray,
  parallel = safe
);

grant select on summarised_days, property_counts, visits to query;

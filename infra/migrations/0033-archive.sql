-- Events that retention has deleted here because a lake has them (docs/lake.md, archive). `tracker maintain --archive-first` writes a
-- row for each day and source in the transaction that deletes the events, after it has compared the lake's manifest with the counters.

-- Only one lake has archived events: its marker has the same id.
create table archive (
  only_row boolean not null default true,
  lake     uuid    not null,

  constraint archive_pkey     primary key (only_row),
  constraint archive_only_row check (only_row)
);

create table archived_days (
  day     timestamptz             not null,
  source  text        collate "C" not null,
  counted bigint                  not null,
  deleted bigint                  not null,
  epoch   bigint                  not null,

  constraint archived_days_pkey      primary key (day, source),
  constraint archived_days_whole_day check (day = date_bin('1 day', day, timestamptz '2000-01-01 00:00:00+00')),
  constraint archived_days_counted   check (deleted >= 0 and counted > deleted)
);

comment on table  archived_days         is 'The state that a source''s events of a day had when the lake got them, as its manifest has it.';
comment on column archived_days.counted is 'How many events were ever counted.';
comment on column archived_days.deleted is 'How many of them retention had deleted before: these aren''t in the lake.';
comment on column archived_days.epoch   is 'Moves whenever an erased person is taken out of the lake''s file.';

-- An erasure reaches archived events later: it leaves the ids here if there are archived days, and `tracker lake erase` deletes them
-- with the events.
create table archive_erasures (
  id      bigint      generated always as identity,
  at      timestamptz not null default now(),
  user_id text        collate "C" not null,
  sources text[]      collate "C",

  constraint archive_erasures_pkey primary key (id)
);

comment on column archive_erasures.sources is 'Only events of these sources are erased; null is all.';

grant select on archive, archived_days, archive_erasures to query;
grant select on archived_days to control;
grant insert on archive_erasures to control;

-- How many events of each type and source each hour (UTC) holds. The statement that stores an event counts it,
-- in the same transaction, so the two never disagree.
--
-- slot spreads one hour's counter over the writers: each collector process updates rows of its own and waits for nobody.
-- `tracker maintain` folds the slots of closed hours into slot 0.

create table event_counts (
  hour       timestamptz             not null,
  event_type text        collate "C" not null,
  source     text        collate "C" not null,
  slot       smallint                not null,
  count      bigint                  not null,

  constraint event_counts_pkey       primary key (hour, event_type, source, slot),
  constraint event_counts_whole_hour check (hour = date_bin('1 hour', hour, timestamptz '2000-01-01 00:00:00+00')),
  constraint event_counts_slot       check (slot >= 0),
  constraint event_counts_positive   check (count > 0)
) with (
  -- Counters are updated in place thousands of times: room on each page keeps those updates off the index (HOT),
  -- and frequent vacuuming keeps the pages few.
  fillfactor = 50,
  autovacuum_vacuum_scale_factor = 0.02
);

grant select, insert, update on event_counts to collector;
grant select on event_counts to query;

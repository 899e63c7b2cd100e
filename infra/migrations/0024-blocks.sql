-- Events in columns, for questions that read many of them: a block holds the events of one source in some hours of one day (UTC)
-- as a Parquet file, which the query service copies to its disk and reads there. Rows stay the truth: a block can be deleted at any
-- time, and questions read the rows then. `tracker maintain` builds blocks of days that are over.
--
-- A block is valid while event_counts says what it said when the block was built (`counted`, of the block's source and hours),
-- and while the epoch of its day and source is the one of then. So nothing is missed: events are never changed, one that is added
-- moves the count, and what deletes or changes some moves the epoch. `events` is how many the block holds. It is fewer than
-- `counted` where retention has deleted some of the day, since counts stay for good; what is deleted later moves the epoch, so
-- such a block is as exact as others. event_tracker/columns/validity.sql is this rule as a statement.

-- First, as erasures and `tracker maintain` do: they hold it while they write events, which the triggers below wait for.
lock table erasures in exclusive mode;

create table block_epochs (
  day    timestamptz             not null,
  source text        collate "C" not null,
  epoch  bigint                  not null,

  constraint block_epochs_pkey      primary key (day, source),
  constraint block_epochs_whole_day check (day = date_bin('1 day', day, timestamptz '2000-01-01 00:00:00+00')),
  constraint block_epochs_positive  check (epoch > 0)
);

comment on column block_epochs.epoch is 'How often events of the day were deleted or changed. A day without a row has 0.';

create table blocks (
  id      uuid                    not null default gen_random_uuid(),
  source  text        collate "C" not null,
  start   timestamptz             not null,
  "end"   timestamptz             not null,
  counted bigint                  not null,
  events  bigint                  not null,
  epoch   bigint                  not null,
  layout  smallint                not null,
  keys    text[]      collate "C" not null,
  parquet bytea                   not null,

  constraint blocks_pkey       primary key (id),
  constraint blocks_hours      unique (source, start),
  constraint blocks_whole_hour check (start = date_bin('1 hour', start, timestamptz '2000-01-01 00:00:00+00')),
  constraint blocks_in_a_day   check ("end" > start and "end" <= date_bin('1 day', start, timestamptz '2000-01-01 00:00:00+00') + interval '24 hours'),
  constraint blocks_counted    check (counted > 0 and events between 0 and counted)
);

comment on column blocks.counted is 'Events of its source and hours by event_counts, when it was built.';
comment on column blocks.events  is 'Events in it: those that were stored.';
comment on column blocks.layout  is 'Version of the columns; the query service reads only blocks of the layout that it knows.';
comment on column blocks.keys    is 'Properties that have a column of their own.';

-- It is compressed already.
alter table blocks alter column parquet set storage external;

create index blocks_start on blocks (start, source);

grant select on blocks, block_epochs to query;

-- Whatever deletes or changes events moves the epochs and deletes the blocks, in the same transaction: triggers do it, so that it
-- also holds for the release before, and for statements by hand that name `events`. An insert runs none of them. An erasure
-- deletes or changes rows of `events`.
-- Retention deletes rows of partitions, or drops those, and counts in deleted_counts what it deleted. (Moving rows from the default
-- partition to a month's changes no event: it names partitions only, too.) Both hold the lock of `erasures`, as does the builder of
-- blocks: so no block with events that were deleted is committed afterwards, and nobody waits for another's epochs.

create function forget_blocks (days timestamptz[], sources text[]) returns void language sql as $$
  with moved as (
    insert into block_epochs as known (day, source, epoch)
    select day, source, 1 from unnest(days, sources) as changed (day, source) order by day, source
    on conflict (day, source) do update set epoch = known.epoch + 1
    returning day, source
  )
  delete from blocks
  using moved
  where blocks.source = moved.source and start >= day and start < day + interval '24 hours'
$$;

create function forget_blocks_of_events () returns trigger language plpgsql as $$
begin
  perform forget_blocks(array_agg(day), array_agg(source))
  from (select distinct date_bin('1 day', "timestamp", timestamptz '2000-01-01 00:00:00+00') as day, source from changed) as changed;
  return null;
end
$$;

create function forget_blocks_of_counts () returns trigger language plpgsql as $$
begin
  perform forget_blocks(array_agg(day), array_agg(source)) from (select distinct day, source from changed) as changed;
  return null;
end
$$;

create trigger forget_blocks_on_delete after delete on events
referencing old table as changed for each statement execute function forget_blocks_of_events();

create trigger forget_blocks_on_update after update on events
referencing old table as changed for each statement execute function forget_blocks_of_events();

create trigger forget_blocks_on_insert after insert on deleted_counts
referencing new table as changed for each statement execute function forget_blocks_of_counts();

create trigger forget_blocks_on_update after update on deleted_counts
referencing new table as changed for each statement execute function forget_blocks_of_counts();

grant execute on function forget_blocks (timestamptz[], text[]), forget_blocks_of_events (), forget_blocks_of_counts () to control;
grant select, insert, update on block_epochs to control;
grant select (source, start), delete on blocks to control;

-- Blocks stand in for the summaries of days: nothing reads those any more, and they go with the next release. While the release
-- before still runs, its `tracker maintain` may sum up days again; so erasures and retention still take out what they delete.
-- Nobody is writing them, since this holds the lock of `erasures`.
truncate summarised_days, property_counts, visits;

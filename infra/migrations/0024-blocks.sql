-- Events in columns, for questions that read many of them: a block holds the events of one source in some hours of one day (UTC) as a
-- Parquet file, which the query service copies to its disk and reads there. Rows stay the truth: a block can be deleted at any
-- time, and questions read the rows then.
--
-- A block is valid while event_counts has as many events for its source and hours as it has, and while the epoch of its day and
-- source is the one it was made in. Events are never changed. One that is added moves the count; whoever deletes or changes
-- some moves the epoch of their days and deletes these days' blocks, in the same transaction.

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
  events  bigint                  not null,
  epoch   bigint                  not null,
  layout  smallint                not null,
  keys    text[]      collate "C" not null,
  parquet bytea                   not null,

  constraint blocks_pkey       primary key (id),
  constraint blocks_hours      unique (source, start),
  constraint blocks_whole_hour check (start = date_bin('1 hour', start, timestamptz '2000-01-01 00:00:00+00')),
  constraint blocks_in_a_day   check ("end" > start and "end" <= date_bin('1 day', start, timestamptz '2000-01-01 00:00:00+00') + interval '24 hours'),
  constraint blocks_positive   check (events > 0)
);

comment on column blocks.layout is 'Version of the columns; the query service reads only blocks of the layout that it knows.';
comment on column blocks.keys   is 'Properties that have a column of their own.';

-- It is compressed already.
alter table blocks alter column parquet set storage external;

create index blocks_start on blocks (start, source);

grant select on blocks, block_epochs to query;

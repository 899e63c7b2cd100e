-- Up to when retention has deleted events, so that a resend of one isn't stored, and counted, a second time.
--
-- `tracker maintain` writes a mark before it deletes, and waits for the inserts that are under way;
-- the statement that stores events reads it. Marks only move forward, also where a source is kept longer from now on: what
-- was deleted stays deleted. Collectors of the release before don't look at it.

create table retention_marks (
  source         text        collate "C" not null,
  deleted_before timestamptz             not null,

  constraint retention_marks_pkey primary key (source)
);

comment on column retention_marks.source is 'The empty text stands for sources that have no row and don''t say how long they are kept.';
comment on column retention_marks.deleted_before is 'Events of earlier times are stored no more.';

grant select on retention_marks to collector;

-- Whom an erasure was asked for lately: collectors hold refused events in memory until they can write them, and must leave out
-- those of a user who was erased meanwhile.
--
-- A row is written by a short transaction of its own before the erasure begins, under an exclusive advisory lock (16, 1), which
-- collectors share while they write refused events. Rows older than two hours are deleted by the next erasure and by
-- `tracker maintain`; a collector drops what has waited for an hour.

create table recent_erasures (
  at        timestamptz not null default clock_timestamp(),
  salt      bytea       not null,
  user_hash bytea       not null,
  sources   text[]
);

create index recent_erasures_at on recent_erasures (at);

comment on column recent_erasures.user_hash is 'SHA-256 of the salt and the user''s id.';
comment on column recent_erasures.sources is 'Of which sources the user''s events are erased; null is all.';

grant select on recent_erasures to collector;
grant select (at), insert, delete on recent_erasures to control;

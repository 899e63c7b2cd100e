-- When each user was first seen, and the hour (UTC) of their newest event. The statement that stores an event keeps it, in
-- the same transaction; users whose row says it all already are looked up and not written to, so that a user costs one
-- write an hour at most.
--
-- Both columns only ever move one way, so folding an event in again changes nothing: `tracker maintain` does that for
-- events stored by collectors of the release before.

create table users (
  user_id    text collate "C" not null,
  first_seen timestamptz      not null,
  last_hour  timestamptz      not null,

  constraint users_pkey        primary key (user_id),
  constraint users_whole_hour  check (last_hour = date_bin('1 hour', last_hour, timestamptz '2000-01-01 00:00:00+00'))
);

-- Who was active most recently: the hour leads to few users, and their newest events order them.
create index users_last_hour on users (last_hour, user_id);

insert into users (user_id, first_seen, last_hour)
select user_id, min("timestamp"), date_bin('1 hour', max("timestamp"), timestamptz '2000-01-01 00:00:00+00')
from events
group by user_id;

grant select, insert, update on users to collector;
grant select on users to query;

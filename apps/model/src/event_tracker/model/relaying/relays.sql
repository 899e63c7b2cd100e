-- What a relay reads and writes. It has the role `relay`; infra/migrations/0031-relays.sql has the tables and relay_mark.

-- name: take_turn
-- One process at a time. The lock ends with its session.
select pg_try_advisory_lock(31, hashtext(%(relay)b::text));

-- name: load_position
select position from relays where name = %(relay)b;

-- name: shut_out_erasures
-- Erasures that looked for relays before this one was there are waited for: what they erase isn't read any more.
lock table relay_erasures in share row exclusive mode;

-- name: without_limit
set local statement_timeout = 0;

-- name: find_start
-- Where a new relay begins: with the first event that is stored, which is found by reading all of them, or with what is received from
-- now on.
select coalesce((select min(received_at) from events where %(from_earliest)b), least(mark, latest)) from relay_mark();

-- name: register
insert into relays (name, position, erasures, place) values (%(relay)b, %(position)b, %(erasures)b, %(place)b)
on conflict (name) do update set erasures = excluded.erasures, place = excluded.place
returning position;

-- name: read_mark
select latest, mark, holder_pid, holder_role, holder_since from relay_mark();

-- name: read_events
-- A BRIN index finds the pages of a range of time. So the range must be small: its events are sorted, however few are taken.
select
  properties::text, user_id, "timestamp", event_id, event_type, session_id, source, violations::text, received_at
from events
where received_at >= %(received_at)b and received_at < %(before)b
  and (received_at, user_id, "timestamp", event_id)
  > (%(received_at)b, %(user_id)b::text, %(timestamp)b::timestamptz, %(event_id)b::uuid)
order by received_at, user_id, "timestamp", event_id
limit %(most)b;

-- name: save_position
update relays set position = %(position)b where name = %(relay)b returning position;

-- name: read_erasures
select id, user_id, sources from relay_erasures where relay = %(relay)b order by id limit %(most)b;

-- name: delete_erasures
delete from relay_erasures where relay = %(relay)b and id = any (%(ids)b::bigint[]) returning id;

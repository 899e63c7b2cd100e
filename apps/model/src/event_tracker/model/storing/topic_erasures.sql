-- What is known of erased users where records of Kafka are stored: infra/migrations/0032-topics.sql says how it fits together.

-- name: register_topic
-- Returns whether `known_from` is to be read: after this is committed, since erasures are noted only from then on. A topic with another
-- id may have all records of the one before: another cluster mirrors it, or it was restored from a backup. Nothing carries over.
insert into topics as known (name, topic_id, keep)
values (%(topic)b::text, %(topic_id)b::text, %(keep)b::interval)
on conflict (name) do update set
  topic_id = excluded.topic_id,
  keep = excluded.keep,
  checked_at = excluded.checked_at,
  known_since = case when known.topic_id = excluded.topic_id then known.known_since else excluded.known_since end,
  known_from = case when known.topic_id = excluded.topic_id then known.known_from end
returning known_from is null;

-- name: write_known_from
update topics
set known_from = %(ends)b::bigint[]
where name = %(topic)b::text and topic_id = %(topic_id)b::text and known_from is null
returning name;

-- name: known_from
select known_from from topics where name = %(topic)b::text and topic_id = %(topic_id)b::text;

-- name: share_lock
-- No erasure is under way until this transaction ends. The statement after it sees all that were before. A storer that stops within the
-- transaction loses the lock: it would block all erasures.
select set_config('idle_in_transaction_session_timeout', '30s', true), pg_advisory_xact_lock_shared(16, 2);

-- name: newest_erasure
select max(id) from topic_erasures;

-- name: erasures
select id, salt, user_hash, sources from topic_erasures order by id;

-- name: ends
select erasure, ends
from topic_ends
where topic = %(topic)b::text and topic_id = %(topic_id)b::text
order by erasure;

-- name: write_ends
insert into topic_ends (topic, topic_id, erasure, ends)
values (%(topic)b::text, %(topic_id)b::text, %(erasure)b::bigint, %(ends)b::bigint[])
on conflict do nothing
returning erasure;

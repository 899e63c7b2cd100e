-- Every event, once.
--
-- The primary key is the index for one user's newest events, the duplicate check and the keyset order, all in one.
-- It holds user_id, so that the table can be distributed by it (Citus; docs/architecture.md says which statements can't yet),
-- and timestamp, so that it can be partitioned by time. Text is collated "C": equality and byte order are all that is asked of it, and it compares fastest.

create table events (
  user_id     text        collate "C" not null,
  "timestamp" timestamptz             not null,
  event_id    uuid                    not null,
  event_type  text        collate "C" not null,
  session_id  text        collate "C",
  source      text        collate "C" not null default 'default',
  properties  jsonb                   not null default '{}',
  received_at timestamptz             not null default now(),

  constraint events_pkey              primary key (user_id, "timestamp", event_id),
  constraint events_user_id_length    check (char_length(user_id) between 1 and 200),
  constraint events_event_type_length check (char_length(event_type) between 1 and 100),
  constraint events_session_id_length check (char_length(session_id) between 1 and 200),
  constraint events_source_length     check (char_length(source) between 1 and 100),
  constraint events_properties_object check (jsonb_typeof(properties) = 'object')
) partition by range ("timestamp");

-- Takes what no month's partition takes, so that no event is refused for its date.
create table events_default partition of events default;

-- For questions over everybody's events in a range of time: some kilobytes where a B-tree would be as large as the key.
create index events_timestamp_brin on events using brin ("timestamp");

-- RETURNING needs SELECT on what it returns; the collector can't read sessions or properties.
grant insert on events to collector;
grant select (user_id, "timestamp", event_id, event_type, source) on events to collector;
grant select on events to query;

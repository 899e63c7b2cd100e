-- The outbox in an application's PostgreSQL, and track(), which writes to it in the caller's transaction: the signature and the rules
-- are those of track() in Event Tracker's own database (infra/migrations/0035-track.sql). `tracker outbox init` runs this; running it
-- again changes nothing, or brings it up to date. docs/track.md

do $$
begin
  if to_regclass('event_tracker.staged') is not null then
    raise object_not_in_prerequisite_state using
      message = 'this is the database of Event Tracker: its track() stores events, and needs no outbox';
  end if;
  if not exists (select from pg_roles where rolname = 'track') then
    create role track nologin;
  end if;
exception
  when duplicate_object or unique_violation then null;
end
$$;

create schema if not exists event_tracker;

create table if not exists event_tracker.limits (
  only_row           boolean not null default true,
  max_event_bytes    integer not null default 65536,
  earliest_timestamp date    not null default '2000-01-01',

  constraint limits_pkey            primary key (only_row),
  constraint limits_only_row        check (only_row),
  constraint limits_max_event_bytes check (max_event_bytes between 1 and 16777216)
);

comment on table event_tracker.limits is 'Of events that come by track(): what MAX_EVENT_BYTES and EARLIEST_TIMESTAMP are to collectors.';

insert into event_tracker.limits default values on conflict do nothing;

create table if not exists event_tracker.outbox (
  id          bigint      not null generated always as identity,
  added_at    timestamptz not null default clock_timestamp(),
  source      text        not null,
  user_id     text        not null,
  event_type  text        not null,
  "timestamp" timestamptz not null,
  event_id    uuid        not null,
  session_id  text,
  properties  jsonb       not null,
  refused_at  timestamptz,
  errors      jsonb,

  constraint outbox_pkey primary key (id)
);

comment on column event_tracker.outbox.refused_at is 'When the collector refused it. Null: it waits to be sent.';
comment on column event_tracker.outbox.errors     is 'Why: a list of pointer, code, detail.';

create index if not exists outbox_waiting on event_tracker.outbox (id) where refused_at is null;
create index if not exists outbox_refused on event_tracker.outbox (id) where refused_at is not null;

create or replace function event_tracker.check_event (
  user_id text, event_type text, properties jsonb, "timestamp" timestamptz, event_id uuid, session_id text,
  max_event_bytes int, earliest timestamptz
) returns timestamptz language plpgsql stable as $$
declare
  written  text        := properties::text;
  field    text        := case when "timestamp" is null then 'event_id' else 'timestamp' end;
  happened timestamptz := coalesce("timestamp", clock_timestamp());
begin
  if user_id is null or event_type is null then
    raise invalid_parameter_value using message = 'user_id and event_type must be given', detail = 'required',
      column = case when user_id is null then 'user_id' else 'event_type' end;
  elsif char_length(user_id) not between 1 and 200 then
    raise invalid_parameter_value using message = 'user_id must have 1 to 200 characters', detail = 'length', column = 'user_id';
  elsif char_length(event_type) not between 1 and 100 then
    raise invalid_parameter_value using message = 'event_type must have 1 to 100 characters', detail = 'length', column = 'event_type';
  elsif char_length(session_id) not between 1 and 200 then
    raise invalid_parameter_value using message = 'session_id must have 1 to 200 characters', detail = 'length', column = 'session_id';
  elsif jsonb_typeof(properties) <> 'object' then
    raise invalid_parameter_value using message = 'properties must be a JSON object', detail = 'wrong_type', column = 'properties';
  end if;
  -- The names of the fields, the time and the id take 200 bytes at most.
  if octet_length(written) + octet_length(user_id) + octet_length(event_type) + coalesce(octet_length(session_id), 0) + 200 > max_event_bytes
  then
    raise invalid_parameter_value using message = format('an event may have %s bytes, its properties as PostgreSQL writes them', max_event_bytes),
      detail = 'event_too_large', column = 'properties';
  end if;
  -- Deeper than 32 levels it has at least so many brackets.
  if octet_length(written) >= 66
    and char_length(written) - char_length(translate(written, '{[', '')) > 32
    and properties @? 'strict $.**{32} ? (@.type() == "object" || @.type() == "array")'
  then
    raise invalid_parameter_value using message = 'properties must not be nested beyond 32 levels', detail = 'too_deep', column = 'properties';
  end if;
  if octet_length(written) > 4300 and exists (
    select
    from jsonb_path_query(properties, 'strict $.** ? (@.type() == "number")') as found (number)
    where char_length(split_part(ltrim(number::text, '-'), '.', 1)) > 4300
  ) then
    raise invalid_parameter_value using message = 'a number must have at most 4,300 digits', detail = 'number_out_of_range',
      column = 'properties';
  end if;
  if "timestamp" is null and event_id is not null then
    -- RFC 9562: the version is digit 13, the variant the first bits of digit 17, the time the first 48 bits.
    if event_id::text !~ '^.{14}7.{4}[89ab]' then
      raise invalid_parameter_value using message = 'an event_id without a timestamp must be a UUIDv7', detail = 'timestamp_required',
        column = field;
    end if;
    happened := timestamptz '1970-01-01 00:00:00+00'
      + interval '1 millisecond' * ('x' || substr(replace(event_id::text, '-', ''), 1, 12))::bit(48)::bigint;
  end if;
  if happened < earliest then
    raise invalid_parameter_value using message = format('%s is before %s, the earliest day that is taken', happened, earliest::date),
      detail = 'timestamp_too_old', column = field;
  elsif happened > clock_timestamp() + interval '24 hours' then
    raise invalid_parameter_value using message = format('%s is more than 24 h ahead of the server''s clock', happened),
      detail = 'timestamp_in_future', column = field;
  end if;
  return happened;
end
$$;

-- Adds an event to the outbox if the caller's transaction commits. Its identity is made here, so that it is stored once however often it
-- is sent. Sources and schemas are checked by the collector.
-- Returns its event_id.
create or replace function event_tracker.track (
  user_id text, event_type text, properties jsonb default '{}', "timestamp" timestamptz default null, event_id uuid default null,
  session_id text default null, source text default 'default'
) returns uuid language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  bounds   event_tracker.limits;
  id       uuid  := coalesce(event_id, gen_random_uuid());
  given    jsonb := coalesce(properties, '{}');
  happened timestamptz;
begin
  if source is null then
    raise invalid_parameter_value using message = 'source must be given', detail = 'required', column = 'source';
  end if;
  select * into bounds from event_tracker.limits;
  happened := event_tracker.check_event(
    user_id, event_type, given, "timestamp", event_id, session_id, bounds.max_event_bytes,
    bounds.earliest_timestamp::timestamp at time zone 'UTC'
  );
  insert into event_tracker.outbox (source, user_id, event_type, "timestamp", event_id, session_id, properties)
  values (source, user_id, event_type, happened, id, session_id, given);
  return id;
end
$$;

revoke execute on function
  event_tracker.check_event (text, text, jsonb, timestamptz, uuid, text, int, timestamptz),
  event_tracker.track (text, text, jsonb, timestamptz, uuid, text, text)
from public;
grant usage on schema event_tracker to track;
grant execute on function event_tracker.track (text, text, jsonb, timestamptz, uuid, text, text) to track;

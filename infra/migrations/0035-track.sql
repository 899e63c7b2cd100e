-- track() stores an event from SQL, in the caller's own transaction: the event exists exactly if the transaction commits.
--
-- track() checks the event and stages it; the rows that everybody shares (events, counts, users, links) are written when the
-- transaction commits, by a deferred trigger, in one statement with the locks and the order of the collector's `store_events`. So a
-- transaction that stays open holds nothing that a collector, `tracker maintain` or another transaction waits for, an event's
-- received_at is the time of the commit, and transactions that track the same events in any order can't deadlock.
--
-- The functions run as the role `collector`, which may do what storing an event needs and no more. The role `track` may only call
-- track(); grant it to an application's role. docs/track.md

do $$
begin
  if not exists (select from pg_roles where rolname = 'track') then
    create role track nologin;
  end if;
exception
  -- Another database on the same server is being migrated at this moment and was first.
  when duplicate_object or unique_violation then null;
end
$$;

create schema event_tracker;

create table event_tracker.limits (
  only_row           boolean not null default true,
  max_event_bytes    integer not null default 65536,
  earliest_timestamp date    not null default '2000-01-01',

  constraint limits_pkey            primary key (only_row),
  constraint limits_only_row        check (only_row),
  constraint limits_max_event_bytes check (max_event_bytes between 1 and 16777216)
);

comment on table event_tracker.limits is 'Of events that come by track(): what MAX_EVENT_BYTES and EARLIEST_TIMESTAMP are to collectors.';

insert into event_tracker.limits default values;

-- Events of transactions that are open. A row never outlives its transaction, so the table needs no log.
create unlogged table event_tracker.staged (
  transaction xid8                    not null default pg_current_xact_id(),
  number      bigint                  not null generated always as identity (cache 32),
  is_first    boolean                 not null,
  user_id     text        collate "C" not null,
  "timestamp" timestamptz             not null,
  event_id    uuid                    not null,
  event_type  text        collate "C" not null,
  session_id  text        collate "C",
  source      text        collate "C" not null,
  properties  jsonb                   not null,

  constraint staged_pkey primary key (transaction, number)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_analyze_scale_factor = 0,
  autovacuum_analyze_threshold = 2000000000);

comment on column event_tracker.staged.is_first is 'Of its transaction: it has the rows stored at the commit.';

-- The rules of one event, as the collector has them for a request. event_tracker/cli/outbox/outbox.sql has the same function; a test
-- compares the texts, and another one sends the same events by HTTP and by track().
-- An event counts with the bytes of its JSON, properties as PostgreSQL writes them.
-- Returns when the event happened: its timestamp, else the time in its id (a UUIDv7), else now.
-- It is called by track() alone, whose search_path holds.
-- Errors have SQLSTATE 22023, the field as their column, and a code of docs/api.md as their detail.
create function event_tracker.check_event (
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

-- Stores an event if the caller's transaction commits. Sending it again is safe, in this transaction or another one.
-- Schemas can't be checked in PostgreSQL: where a source enforces one for this type, the event is refused.
-- Returns its event_id.
create function event_tracker.track (
  user_id text, event_type text, properties jsonb default '{}', "timestamp" timestamptz default null, event_id uuid default null,
  session_id text default null, source text default 'default'
) returns uuid language plpgsql security definer set search_path = public, pg_temp as $$
declare
  bounds   record;
  id       uuid  := coalesce(event_id, uuidv7());
  given    jsonb := coalesce(properties, '{}');
  happened timestamptz;
begin
  select
    limits.max_event_bytes, limits.earliest_timestamp::timestamp at time zone 'UTC' as earliest, sources.enabled,
    sources.schema_mode = 'enforce' and exists (
      select from event_schemas where event_schemas.source = track.source and event_schemas.event_type = track.event_type
    ) as is_enforced
  into bounds
  from event_tracker.limits
  left join sources on sources.name = track.source;
  if bounds.enabled is null then
    raise undefined_object using message = format('there is no source %L', source), column = 'source';
  elsif not bounds.enabled then
    raise object_not_in_prerequisite_state using message = format('the source %L is disabled', source), column = 'source';
  end if;
  happened := event_tracker.check_event(
    user_id, event_type, given, "timestamp", event_id, session_id, bounds.max_event_bytes, bounds.earliest
  );
  if bounds.is_enforced then
    raise feature_not_supported using
      message = format('the source %L enforces a schema for events of type %L, which PostgreSQL can''t check', source, event_type),
      hint = 'Send them to a collector, by HTTP or through an outbox.', detail = 'schema_violation', column = 'event_type';
  end if;
  insert into event_tracker.staged (is_first, user_id, "timestamp", event_id, event_type, session_id, source, properties)
  values (
    -- In the order of the index, or a plan would read all rows of the table, also dead ones.
    (
      select earlier.number
      from event_tracker.staged as earlier
      where earlier.transaction = pg_current_xact_id()
      order by earlier.transaction, earlier.number
      limit 1
    ) is null,
    user_id, happened, id, event_type, session_id, source, given
  );
  return id;
end
$$;

-- Stores what a transaction has staged, with the statement of the collector, `store_events`
-- (event_tracker/model/storing/store_events.sql), which explains it; a test compares the texts. It differs in where the events come
-- from, and in the time: received_at is when the transaction commits, not when it began.
create function event_tracker.store_transaction () returns void language plpgsql security definer
set search_path = public, pg_temp set enable_seqscan = off set enable_nestloop = off as $$
declare
  waited_for pg_lsn;
begin
  with moment as materialized (
    select clock_timestamp() as now
  ),
  given as materialized (
    select *, row_number() over (order by number) as place
    from event_tracker.staged
    where transaction = pg_current_xact_id()
  ),
  taken as (
    delete from event_tracker.staged where transaction = pg_current_xact_id()
  ),
  expired as materialized (
    select place
    from given
    left join retention_marks as mark using (source)
    where exists (select from retention_marks)
      and "timestamp" < coalesce(
        mark.deleted_before,
        (
          select others.deleted_before
          from retention_marks as others
          where others.source = '' and not exists (select from sources where name = given.source and keep is not null)
        )
      )
  ),
  incoming as (
    select *
    from given
    where place not in (select place from expired)
    order by user_id collate "C", "timestamp", event_id, place
  ),
  stored as (
    insert into events (user_id, "timestamp", event_id, event_type, session_id, properties, source, received_at)
    select
      user_id, "timestamp", event_id, event_type, session_id, properties, source,
      moment.now + (place - 1) * interval '1 microsecond'
    from incoming
    cross join moment
    order by user_id collate "C", "timestamp", event_id, place
    on conflict do nothing
    returning user_id, "timestamp", event_id, event_type, source
  ),
  counted as (
    insert into event_counts as counts (hour, event_type, source, slot, count)
    select date_bin('1 hour', "timestamp", timestamptz '2000-01-01 00:00:00+00') as hour, event_type, source,
      (1 + pg_backend_pid() % 32767)::smallint, count(*)
    from stored
    group by 1, 2, 3
    order by 1, 2, 3
    on conflict (hour, event_type, source, slot) do update set count = counts.count + excluded.count
  ),
  seen as (
    insert into users as known (user_id, first_seen, last_hour)
    select user_id, first_seen, last_hour
    from (
      select user_id, min("timestamp") as first_seen, date_bin('1 hour', max("timestamp"), timestamptz '2000-01-01 00:00:00+00') as last_hour
      from stored
      group by user_id
    ) as active
    where (
      select known.first_seen <= active.first_seen and known.last_hour >= active.last_hour
      from users as known
      where known.user_id = active.user_id
      for key share
    ) is not true
    order by user_id
    on conflict (user_id) do update
    set first_seen = least(known.first_seen, excluded.first_seen), last_hour = greatest(known.last_hour, excluded.last_hour)
  ),
  identities as materialized (
    select source collate "C", alias collate "C", user_id collate "C" as person, "timestamp" as at, event_id, refused
    from (
      select distinct on (user_id, "timestamp", event_id) incoming.*
      from incoming
      join stored using (user_id, "timestamp", event_id)
      where stored.event_type in ('identify', 'alias')
      order by user_id, "timestamp", event_id, place
    ) as new
    cross join lateral link_of_event(event_type, user_id, properties) as link
    where alias is not null or refused is not null
  ),
  linked as (
    insert into links as known (source, alias, person, at, event_id)
    select distinct on (source, alias, person) source, alias, person, at, event_id
    from identities
    where alias is not null
    order by source, alias, person, at, event_id
    on conflict (source, alias, person) do update
    set at = excluded.at, event_id = excluded.event_id, changed = excluded.changed
    where (excluded.at, excluded.event_id) < (known.at, known.event_id)
  )
  select
    case
      when count(*) = 0 and current_setting('synchronous_standby_names') <> ''
      then pg_logical_emit_message(true, 'duplicates', '')
    end
  into waited_for
  from stored;
end
$$;

-- Stores what a transaction has staged, when it commits. A transaction with one event, the usual case, has it stored in steps, which take
-- a third of the statement's time; they are the same, in the same order. No plan made for small tables may read large ones.
-- Events whose partition is made meanwhile are tried again, as by a collector.
create function event_tracker.store_on_commit () returns trigger language plpgsql security definer
set search_path = public, pg_temp set enable_seqscan = off as $$
declare
  started timestamptz := date_bin('1 hour', new."timestamp", timestamptz '2000-01-01 00:00:00+00');
  linked  record;
  broken  text;
begin
  for attempt in 1..3 loop
    begin
      if exists (
        select from event_tracker.staged where transaction = new.transaction and number <> new.number order by transaction, number limit 1
      ) then
        perform event_tracker.store_transaction();
        return null;
      end if;
      delete from event_tracker.staged where transaction = new.transaction and number = new.number;
      insert into events (user_id, "timestamp", event_id, event_type, session_id, properties, source, received_at)
      select
        new.user_id, new."timestamp", new.event_id, new.event_type, new.session_id, new.properties, new.source, clock_timestamp()
      where not exists (select from retention_marks)
        or (new."timestamp" < coalesce(
          (select deleted_before from retention_marks where source = new.source),
          (
            select deleted_before
            from retention_marks
            where source = '' and not exists (select from sources where name = new.source and keep is not null)
          )
        )) is not true
      on conflict do nothing;
      if not found then
        if current_setting('synchronous_standby_names') <> '' then
          perform pg_logical_emit_message(true, 'duplicates', '');
        end if;
        return null;
      end if;
      if new.event_type in ('identify', 'alias') then
        linked := link_of_event(new.event_type, new.user_id, new.properties);
        if linked.alias is not null then
          insert into links as known (source, alias, person, at, event_id)
          values (new.source, linked.alias, new.user_id, new."timestamp", new.event_id)
          on conflict (source, alias, person) do update
          set at = excluded.at, event_id = excluded.event_id, changed = excluded.changed
          where (excluded.at, excluded.event_id) < (known.at, known.event_id);
        end if;
      end if;
      perform from users
      where user_id = new.user_id and first_seen <= new."timestamp" and last_hour >= started
      for key share;
      if not found then
        insert into users as known (user_id, first_seen, last_hour)
        values (new.user_id, new."timestamp", started)
        on conflict (user_id) do update
        set first_seen = least(known.first_seen, excluded.first_seen), last_hour = greatest(known.last_hour, excluded.last_hour);
      end if;
      insert into event_counts as counts (hour, event_type, source, slot, count)
      values (started, new.event_type, new.source, (1 + pg_backend_pid() % 32767)::smallint, 1)
      on conflict (hour, event_type, source, slot) do update set count = counts.count + excluded.count;
      return null;
    exception
      when check_violation then
        get stacked diagnostics broken = constraint_name;
        if attempt = 3 or broken <> '' then
          raise;
        end if;
    end;
  end loop;
  return null;
end
$$;

-- One for each transaction, not for each event: the first event's stores all.
create constraint trigger store_on_commit after insert on event_tracker.staged deferrable initially deferred
for each row when (new.is_first) execute function event_tracker.store_on_commit();

-- Also in a session that replicates (session_replication_role): no event may be left behind.
alter table event_tracker.staged enable always trigger store_on_commit;

grant usage, create on schema event_tracker to collector;
grant select on event_tracker.limits to collector;
grant select, insert, delete on event_tracker.staged to collector;

revoke execute on function
  event_tracker.check_event (text, text, jsonb, timestamptz, uuid, text, int, timestamptz),
  event_tracker.track (text, text, jsonb, timestamptz, uuid, text, text),
  event_tracker.store_transaction (),
  event_tracker.store_on_commit ()
from public;
grant execute on function event_tracker.check_event (text, text, jsonb, timestamptz, uuid, text, int, timestamptz) to collector;
grant execute on function event_tracker.track (text, text, jsonb, timestamptz, uuid, text, text) to track;
grant usage on schema event_tracker to track;

alter function event_tracker.track (text, text, jsonb, timestamptz, uuid, text, text) owner to collector;
alter function event_tracker.store_transaction () owner to collector;
alter function event_tracker.store_on_commit () owner to collector;
revoke create on schema event_tracker from collector;

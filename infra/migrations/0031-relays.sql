-- Relays: processes that pass stored events on, such as the publisher (docs/kafka-publish.md). Each reads events by `received_at`,
-- and keeps here how far it has come. A relay passes everything on at least once.

do $$
begin
  if not exists (select from pg_roles where rolname = 'relay') then
    create role relay login;
  end if;
exception
  -- Another database on the same server is being migrated at this moment and was first.
  when duplicate_object or unique_violation then null;
end
$$;

do $$
begin
  if not (select rolsuper from pg_roles where rolname = current_user) then
    execute format('grant relay to %I', current_user);
    -- relay_mark needs it. Where the owner may not give it to themselves, a superuser must, and relay_mark says so.
    begin
      execute format('grant pg_read_all_stats to %I', current_user);
    exception
      when insufficient_privilege then null;
    end;
  end if;
end
$$;

create table relays (
  name     text        collate "C" not null,
  position timestamptz             not null,
  erasures boolean                 not null,

  constraint relays_pkey primary key (name),
  constraint relays_name check (name ~ '^[a-z0-9-]{1,50}$')
);

comment on table  relays          is 'How far each relay has come.';
comment on column relays.position is 'All events that were received before this have been passed on.';
comment on column relays.erasures is 'Whether it must be told whose events are erased.';

-- Whose events were erased or anonymised, for relays that have passed them on. Each relay deletes its rows when it has told others.
-- `tracker maintain` removes relays that haven't for 30 days.
create table relay_erasures (
  id      bigint                  not null generated always as identity,
  at      timestamptz             not null default now(),
  relay   text        collate "C" not null,
  user_id text        collate "C" not null,
  sources text[],

  constraint relay_erasures_pkey  primary key (id),
  constraint relay_erasures_relay foreign key (relay) references relays (name) on delete cascade
);

create index relay_erasures_relay_id on relay_erasures (relay, id);

comment on column relay_erasures.at      is 'When they were erased.';
comment on column relay_erasures.sources is 'Of which sources the user''s events are erased; null is all.';

-- An event that is inserted late in a long transaction isn't received when that began: relays would have passed its place.
alter table events alter column received_at set default statement_timestamp();

-- Up to where relays may read: everything that was received before `mark` is committed by now, and visible to statements that begin
-- after this one. Call it in a transaction of its own. `latest` is where the mark would be if no transaction held it.
--
-- `received_at` is when a transaction or its statement began, and it is visible when the transaction ends. So the mark is the earliest
-- begin of the transactions that may still commit events: those that hold the lock of an insert on `events`, those that wait for
-- any lock, and those that began in the last minute. A transaction that hasn't touched `events` in its first minute, such as a
-- pg_dump, an idle session or a long question, doesn't hold the mark. If it inserts events later, `received_at` is that
-- statement's time. The roles `query` and `grafana` only read.
--
-- A transaction is seen in pg_stat_activity some microseconds after its time was taken, or later if the kernel has stopped its process in
-- between: hence a second less. Locks are read after pg_stat_activity, which is read once in a transaction: the lock of a
-- statement that begins between the two is seen, and a transaction that has ended is visible.
--
-- It runs with the owner's rights, since others don't see when transactions began. It tells only which one holds the mark. If a
-- prepared transaction does, `mark` is null.
create function relay_mark (
  out latest timestamptz, out mark timestamptz, out holder_pid integer, out holder_role text, out holder_since timestamptz
) language plpgsql volatile security definer set search_path = public, pg_temp as $$
declare
  tables constant oid[] := array(select relid from pg_partition_tree('events'));
  this   constant oid   := (select oid from pg_database where datname = current_database());
begin
  if pg_is_in_recovery() then
    raise read_only_sql_transaction using message = 'relays need the primary: a standby doesn''t know which transactions it waits for';
  end if;
  if not pg_has_role(current_user, 'pg_read_all_stats', 'usage') then
    raise insufficient_privilege using
      message = format('%I, who owns the function relay_mark, must be a member of pg_read_all_stats', current_user),
      hint = format('As a superuser: grant pg_read_all_stats to %I', current_user);
  end if;
  latest := now() - interval '1 second';
  perform from pg_stat_activity limit 1;
  select pid, coalesce(usename::text, backend_type), xact_start into holder_pid, holder_role, holder_since
  from pg_stat_activity
  where datid = this and pid <> pg_backend_pid() and xact_start < latest and backend_type not in ('autovacuum worker', 'walsender')
    and (
      (
        coalesce(usename not in ('query', 'grafana'), true)
        and (xact_start > now() - interval '1 minute' or wait_event_type = 'Lock')
      )
      or pid in (
        select lock.pid
        from pg_locks as lock
        where lock.database = this and lock.relation = any (tables) and lock.mode = 'RowExclusiveLock' and lock.pid is not null
      )
    )
  order by xact_start
  limit 1;
  mark := least(latest, holder_since);
  if exists (
    select
    from pg_locks as lock
    where lock.database = this and lock.relation = any (tables) and lock.mode = 'RowExclusiveLock' and lock.pid is null
  ) then
    -- When it began isn't known any more.
    mark := null;
    holder_pid := null;
    holder_role := 'a prepared transaction';
    holder_since := null;
  end if;
end
$$;

revoke execute on function relay_mark () from public;

grant select on _yoyo_migration to relay;
grant select on events to relay;
grant select, insert, update on relays to relay;
grant select, delete on relay_erasures to relay;
grant execute on function relay_mark () to relay;
grant select (name, erasures) on relays to control;
grant select (id), insert on relay_erasures to control;

-- Links between the ids of one person: an anonymous id before sign-in, and the user that it turned out to be. Events are never
-- rewritten: a resend of an anonymous event stays a duplicate, and a wrong link can be removed exactly. Questions follow links when
-- they are asked (docs/definitions.md).
--
-- There is one row for each pair of ids in each source, with the earliest event that links them. Of an alias with several persons
-- the earliest link counts. So the order in which events arrive doesn't matter, nor how often they are sent.

create table links (
  source     text        collate "C" not null,
  alias      text        collate "C" not null,
  person     text        collate "C" not null,
  at         timestamptz             not null,
  event_id   uuid                    not null,
  removed_at timestamptz,
  changed    xid8                    not null default pg_current_xact_id(),

  constraint links_pkey  primary key (source, alias, person),
  constraint links_apart check (alias <> person)
);

comment on table  links            is 'Which ids are of one person, by the earliest event that says so.';
comment on column links.alias      is 'An id that the person had before, such as an anonymous one.';
comment on column links.at         is 'Time of the event; with event_id the earliest of all that link the two.';
comment on column links.removed_at is 'When somebody removed it. It doesn''t count then, whatever is sent again.';
comment on column links.changed    is 'The transaction that changed the row last: services read what has changed since they looked.';

-- The first row of an alias, of those that are visible, is the link that counts.
create index links_alias   on links (alias, at, event_id, source, person) where removed_at is null;
create index links_person  on links (person);
create index links_changed on links (changed);

-- Links that are deleted have no row that says so. Services that keep links in memory read all of them again when this has moved.
create table link_epochs (
  only_row boolean not null default true,
  epoch    bigint  not null,

  constraint link_epochs_pkey     primary key (only_row),
  constraint link_epochs_only_row check (only_row)
);

comment on column link_epochs.epoch is 'How often links were deleted.';

insert into link_epochs (epoch) values (0);

create function count_deleted_links () returns trigger language plpgsql as $$
begin
  if exists (select from deleted) then
    insert into link_epochs as known (epoch) values (1) on conflict (only_row) do update set epoch = known.epoch + 1;
  end if;
  return null;
end
$$;

create trigger links_deleted after delete on links
referencing old table as deleted for each statement execute function count_deleted_links();

-- The rule which event links which ids. The statement that stores events uses it, and the one that makes links again.
-- `refused` says why an event that names an alias links nothing: it isn't a usable id (unusable), it is the same as the person's
-- (same), or one of the two is a word that programs send by mistake for an id, so that it stands for many people (reserved).
create function link_of_event (event_type text, user_id text, properties jsonb, out alias text, out refused text)
language plpgsql immutable as $$
declare
  given jsonb := case event_type when 'identify' then properties -> 'anonymous_id' when 'alias' then properties -> 'previous_id' end;
  id    text  := given #>> '{}';
begin
  if id is null then
    return;
  end if;
  -- U+FFFD stands for characters that can't be stored (U+0000, half a surrogate pair): no user id can have these.
  refused := case
    when jsonb_typeof(given) not in ('string', 'number') or char_length(id) not between 1 and 200 or strpos(id, U&'\FFFD') > 0 then 'unusable'
    when id = user_id collate "C" then 'same'
    when is_reserved_id(id) or is_reserved_id(user_id) then 'reserved'
  end;
  if refused is null then
    alias := id;
  end if;
end
$$;

-- The ids of PostHog's list, which were seen in practice; also in quotes.
create function is_reserved_id (id text) returns boolean language sql immutable as $$
  select
    btrim(id, E' \t\n\v\f\r') = ''
    or bare in ('[object Object]', 'NaN', 'None', 'none', 'null', '0')
    or lower(bare collate "C") in (
      'anonymous', 'guest', 'distinctid', 'distinct_id', 'id', 'not_authenticated', 'email', 'undefined', 'true', 'false'
    )
  from (
    select case when id like '''_%''' or id like '"_%"' then substr(id, 2, char_length(id) - 2) else id end as bare
  ) as unquoted
$$;

-- All ids of one person, for a viewer of these sources (null is all): the person first, then the ids that are linked to them.
-- Of an alias, the earliest visible link counts. A circle of links is cut at its latest link.
-- More ids than `most` (null is no limit) are an error (program_limit_exceeded), since anybody with a write key can link many.
create function person_ids (of_id text, of_sources text[], most int) returns text[] language plpgsql stable as $$
declare
  top    text := of_id;
  mark   text := of_id;  -- an id on the way, further up after 1, 2, 4 … steps: if the way leads back to it, it is on a circle
  steps  int  := 0;
  up     links;
  latest links;
  ids    text[];
begin
  if not exists (select from links where alias = of_id and removed_at is null)
    and not exists (select from links where person = of_id and removed_at is null)
  then
    return array[of_id];
  end if;
  loop
    select * into up
    from links
    where alias = top and removed_at is null and (of_sources is null or source = any (of_sources))
    order by at, event_id, source, person
    limit 1;
    exit when not found;
    steps := steps + 1;
    if steps > most then
      raise program_limit_exceeded using message = 'too many ids of one person';
    end if;
    top := up.person;
    if top = mark then
      latest := up;
      loop
        select * into up
        from links
        where alias = top and removed_at is null and (of_sources is null or source = any (of_sources))
        order by at, event_id, source, person
        limit 1;
        if (up.at, up.event_id, up.source, up.alias) > (latest.at, latest.event_id, latest.source, latest.alias) then
          latest := up;
        end if;
        top := up.person;
        exit when top = mark;
      end loop;
      top := latest.alias;
      exit;
    end if;
    if steps & (steps - 1) = 0 then
      mark := top;
    end if;
  end loop;
  ids := array(
    with recursive linked (id) as (
      select top collate "C"
      union
      select found.alias
      from linked
      cross join lateral (
        select link.alias
        from links as link
        where link.person = linked.id and link.removed_at is null and (of_sources is null or link.source = any (of_sources))
          and not exists (
            select from links as earlier
            where earlier.alias = link.alias
              and (earlier.at, earlier.event_id, earlier.source, earlier.person) < (link.at, link.event_id, link.source, link.person)
              and earlier.removed_at is null and (of_sources is null or earlier.source = any (of_sources))
          )
        offset 0  -- a look into the indexes for each id, not a join over all links
      ) as found
    )
    select id from linked limit most + 1
  );
  if cardinality(ids) > most then
    raise program_limit_exceeded using message = 'too many ids of one person';
  end if;
  return ids;
end
$$;

grant select, insert, update on links to collector;
grant select on links, link_epochs to query;
grant select, insert, update, delete on links to control;
grant select, insert, update on link_epochs to control;
grant execute on function count_deleted_links () to control;
grant execute on function link_of_event (text, text, jsonb), is_reserved_id (text) to collector, control;
grant execute on function person_ids (text, text[], int) to query, control;

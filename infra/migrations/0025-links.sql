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

create index links_alias   on links (alias);
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
    update link_epochs set epoch = epoch + 1;
  end if;
  return null;
end
$$;

create trigger links_deleted after delete on links
referencing old table as deleted for each statement execute function count_deleted_links();

grant select, insert, update on links to collector;
grant select on links, link_epochs to query;
grant select, insert, update, delete on links to control;
grant select, update on link_epochs to control;
grant execute on function count_deleted_links () to control;

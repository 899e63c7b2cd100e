-- Sources: the sites and apps that events come from, each with write keys of its own. An event carries its source's name
-- (events.source); nothing references events, so that the table can be distributed.
--
-- Every collector keeps sources and keys in memory and asks for catalog_version each second: a change counts everywhere
-- within seconds, and costs an insert nothing.

create table sources (
  name            text collate "C" not null,
  allowed_origins text[]           not null default '{}',
  enabled         boolean          not null default true,
  created_at      timestamptz      not null default now(),

  constraint sources_pkey primary key (name),
  constraint sources_name check (name ~ '^[a-z0-9][a-z0-9_-]{0,99}$')
);

comment on column sources.allowed_origins is 'Origins whose pages may send events; ''*'' is any. Requests without Origin (servers) always may.';

-- What came in before there were sources, and what comes in without a key where none is required.
insert into sources (name) values ('default');

-- The key itself is shown once and stored nowhere. It has 160 random bits, so that a fast hash is enough: there is nothing
-- to guess, unlike in a password.
create table write_keys (
  prefix     text collate "C" not null,
  source     text collate "C" not null,
  hash       bytea            not null,
  created_at timestamptz      not null default now(),
  last_used  timestamptz,
  revoked_at timestamptz,

  constraint write_keys_pkey   primary key (prefix),
  constraint write_keys_source foreign key (source) references sources (name) on delete cascade,
  constraint write_keys_hash   check (octet_length(hash) = 32)
);

create table catalog_version (
  version bigint not null
);

insert into catalog_version values (1);

create function catalog_changed() returns trigger language plpgsql as $$
begin
  update catalog_version set version = version + 1;
  return null;
end
$$;

create trigger sources_changed after insert or update or delete on sources for each statement execute function catalog_changed();

-- Not when a key's last use is written: that is no change.
create trigger write_keys_changed after insert or delete or update of source, hash, revoked_at on write_keys for each statement execute function catalog_changed();

grant select on sources, write_keys, catalog_version to collector;
grant update (last_used) on write_keys to collector;
grant select on sources to query;

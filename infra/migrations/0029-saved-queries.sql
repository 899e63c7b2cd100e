-- Statements in SQL that people keep under a name (/sql/queries). Who may see all sources shares them with all others who may; who is
-- restricted to some sources has names of their own, since a statement may say what other sources have.

create table saved_queries (
  space      text        collate "C" not null default '',
  name       text        collate "C" not null,
  sql        text                    not null,
  owner      text                    not null,
  changed_at timestamptz             not null default now(),

  constraint saved_queries_pkey primary key (space, name)
);

comment on table  saved_queries       is 'Statements in SQL, by name.';
comment on column saved_queries.space is 'Empty: of all who may see every source. Otherwise kind and name of the only owner, as person:ann.';
comment on column saved_queries.owner is 'Who saved it, as the audit log names them. They alone may change it, and admins.';

grant select, insert, update, delete on saved_queries to control;

-- The names of a token end with it: nobody could read or remove them afterwards.
create function remove_saved_queries () returns trigger language plpgsql as $$
begin
  delete from saved_queries where space = 'token:' || new.prefix;
  return null;
end
$$;

create trigger remove_saved_queries_on_revoke after update of revoked_at on api_tokens
for each row when (new.revoked_at is not null) execute function remove_saved_queries();

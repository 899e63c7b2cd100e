-- Who may read and manage: people who sign in, tokens for programs, and what was done by whom.
--
-- The role `control` is the query service's second connection: it signs people in and writes what admins change. The role
-- `query`, which answers questions, sees none of these tables, so that no question, however it is asked, can reach them.

do $$
begin
  if not exists (select from pg_roles where rolname = 'control') then
    create role control login;
  end if;
exception
  -- Another database on the same server is being migrated at this moment and was first.
  when duplicate_object or unique_violation then null;
end
$$;

do $$
begin
  if not (select rolsuper from pg_roles where rolname = current_user) then
    execute format('grant control to %I', current_user);
  end if;
end
$$;

create table people (
  name          text        collate "C" not null,
  password_hash text,
  one_time      boolean                 not null default false,
  role          text                    not null,
  sources       text[]      collate "C",
  enabled       boolean                 not null default true,
  created_at    timestamptz             not null default now(),

  constraint people_pkey primary key (name),
  constraint people_name check (name ~ '^[a-z0-9][a-z0-9._@+-]{0,99}$'),
  constraint people_role check (role in ('admin', 'analyst', 'viewer'))
);

comment on column people.password_hash is 'Argon2id (RFC 9106). Null: this person can''t sign in by password.';
comment on column people.one_time is 'The password is for one sign-in, and is gone then.';
comment on column people.sources is 'Whose events this person may see; null is all.';

-- One row a sign-in. Its refresh token changes with each use; the one before is known for a moment longer, since the answer
-- that carried the new one may have been lost. An older one that is shown again was stolen from someone: the row goes.
create table sign_ins (
  prefix        text        collate "C" not null,
  person        text        collate "C" not null,
  hash          bytea                   not null,
  previous_hash bytea,
  renewed_at    timestamptz             not null default now(),
  expires_at    timestamptz             not null,

  constraint sign_ins_pkey   primary key (prefix),
  constraint sign_ins_person foreign key (person) references people (name) on delete cascade
);

-- How often in a row a name was given with a wrong password, whether or not anybody has the name.
create table failed_sign_ins (
  name         text        collate "C" not null,
  failures     integer                 not null,
  locked_until timestamptz             not null,

  constraint failed_sign_ins_pkey primary key (name)
);

create table api_tokens (
  prefix     text        collate "C" not null,
  name       text                    not null,
  hash       bytea                   not null,
  scopes     text[]      collate "C" not null,
  sources    text[]      collate "C",
  created_at timestamptz             not null default now(),
  expires_at timestamptz,
  last_used  timestamptz,
  revoked_at timestamptz,

  constraint api_tokens_pkey   primary key (prefix),
  constraint api_tokens_name   check (char_length(name) between 1 and 100),
  constraint api_tokens_hash   check (octet_length(hash) = 32),
  constraint api_tokens_scopes check (scopes <@ array['read_events', 'read_stats', 'export', 'admin'] and cardinality(scopes) > 0)
);

comment on column api_tokens.sources is 'Whose events it may read; null is all.';

-- What was done by whom. It is only ever added to: the role that writes it can't change it.
create table audit (
  at     timestamptz not null default clock_timestamp(),
  id     bigint      not null generated always as identity,
  actor  text        not null,
  action text        not null,
  target text        not null,
  source text        collate "C",
  detail jsonb       not null default '{}',

  constraint audit_pkey primary key (id)
);

grant select on _yoyo_migration to control;
grant select, insert, update, delete on people, sign_ins, failed_sign_ins, api_tokens, sources, write_keys to control;
grant select, update on catalog_version to control;
grant select, insert on audit to control;

-- Who may do what. The owner migrates and maintains; each service has a role of its own.
-- Roles belong to the whole server, so they may be there already: from another database on it, or made by an administrator.
-- They carry no password: `tracker migrate` sets one when it is given one (docs/operations.md).

do $$
begin
  if not exists (select from pg_roles where rolname = 'collector') then
    create role collector login;
  end if;
  if not exists (select from pg_roles where rolname = 'query') then
    create role query login;
  end if;
exception
  -- Another database on the same server is being migrated at this moment and was first.
  when duplicate_object or unique_violation then null;
end
$$;

-- Lets the owner start a session in the role of either service (`options=-c role=collector`), as `tracker up` does.
do $$
begin
  if not (select rolsuper from pg_roles where rolname = current_user) then
    execute format('grant collector, query to %I', current_user);
  end if;
end
$$;

-- The services refuse to be ready on a schema older than their code.
grant select on _yoyo_migration to collector, query;

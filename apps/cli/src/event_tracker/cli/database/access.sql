-- Sources, keys, tokens and the first admin, as `tracker migrate` and `tracker up` register them.

-- name: register_source
insert into sources (name) values (%(source)s) on conflict (name) do nothing;

-- name: register_write_key
insert into write_keys (prefix, source, hash) values (%(prefix)s, %(source)s, %(hash)s) on conflict (prefix) do nothing;

-- name: find_valid_write_key
select prefix from write_keys where prefix = %(prefix)s and source = %(source)s and hash = %(hash)s and revoked_at is null;

-- name: register_token
insert into api_tokens (prefix, name, hash, scopes)
values (%(prefix)s, %(name)s, %(hash)s, %(scopes)s)
on conflict (prefix) do nothing;

-- name: find_valid_token
select prefix from api_tokens where prefix = %(prefix)s and hash = %(hash)s and revoked_at is null;

-- name: revoke_replaced_tokens
-- Revoke the older tokens, unless the new one isn't valid itself. What they made then belongs to the new one.
with replaced as (
  update api_tokens set revoked_at = now()
  where name = %(name)s and prefix <> %(prefix)s and revoked_at is null
    and exists (select from api_tokens where prefix = %(prefix)s and hash = %(hash)s and revoked_at is null)
  returning prefix
), handed_over as (
  update api_tokens set made_by_token = nullif(%(prefix)s, prefix)
  where made_by_token in (select prefix from replaced) and prefix not in (select prefix from replaced)
)
select prefix from replaced;

-- name: create_admin
-- Returns no row if the name exists.
with made as (
  insert into people (name, password_hash, role) values (%(name)s, %(password_hash)s, 'admin') on conflict (name) do nothing returning name
)
insert into audit (actor, action, target)
select 'owner', 'create_person', name from made
returning target;

-- name: offer_sign_in
-- Set a password for one sign-in. Returns no row if the person has set their own, is no longer an admin, or is disabled.
insert into people (name, password_hash, one_time, role)
values (%(name)s, %(password_hash)s, true, 'admin')
on conflict (name) do update set password_hash = excluded.password_hash, one_time_until = now() + interval '24 hours'
where people.one_time and people.enabled and people.role = 'admin'
returning name;

-- name: end_sign_ins
delete from sign_ins where person = %(name)s;

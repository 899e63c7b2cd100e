-- name: write_audit
insert into audit (actor, action, target, source, detail)
values (%(actor)b, %(action)b, %(target)b, %(source)b, %(detail)b)
returning id;

-- name: list_audit
-- A page of entries, newest first: limited by bytes, but with at least one entry.
select id, at, actor, action, target, source, detail
from (
  select *, sum(octet_length(detail::text)) over newest as bytes, row_number() over newest as place
  from (
    select id, at, actor, action, target, source, detail
    from audit
    where id < %(before)b::bigint and (%(allowed)b::text[] is null or source = any(%(allowed)b))
    order by id desc
    limit %(limit)b::int
  ) as page
  window newest as (order by id desc)
) as counted
where bytes <= %(bytes)b::bigint or place = 1
order by id desc;

-- name: list_sources
select s.name, s.allowed_origins, s.enabled, s.rate_limit, s.schema_mode, s.keep, s.created_at, k.keys, k.last_used
from sources s
cross join lateral (
  select (count(*) filter (where revoked_at is null))::int as keys, max(last_used) as last_used
  from write_keys
  where source = s.name
) k
where (%(name)b::text is null or s.name = %(name)b) and (%(allowed)b::text[] is null or s.name = any(%(allowed)b))
order by s.name;

-- name: add_source
insert into sources (name) values (%(name)b) on conflict do nothing returning name;

-- name: lock_source
select allowed_origins, enabled, rate_limit, schema_mode, keep from sources where name = %(name)b for update;

-- name: update_source
update sources
set allowed_origins = %(allowed_origins)b, enabled = %(enabled)b, rate_limit = %(rate_limit)b, schema_mode = %(schema_mode)b,
  keep = %(keep)b
where name = %(name)b
returning name;

-- name: known_sources
-- Those of some names that are sources.
select name from sources where name = any(%(names)b);

-- name: list_keys
-- All that aren't revoked, and of the others those that were revoked last: an admin may make and revoke any number.
select prefix, source, created_at, last_used, revoked_at
from (
  select *, row_number() over (partition by revoked_at is null order by revoked_at desc, prefix) as place
  from write_keys
  where source = %(source)b
) as ranked
where revoked_at is null or place <= %(ended)b::int
order by created_at, prefix;

-- name: count_keys
-- Those of a source that aren't revoked.
select count(*)::int as keys from write_keys where source = %(source)b and revoked_at is null;

-- name: lock_keys
-- A source's keys, and keys with one of `prefixes` of other allowed sources.
select prefix, source, hash, revoked_at
from write_keys
where source = %(source)b or (prefix = any(%(prefixes)b) and (%(allowed)b::text[] is null or source = any(%(allowed)b)))
order by prefix
for update;

-- name: add_key
insert into write_keys (prefix, source, hash) values (%(prefix)b, %(source)b, %(hash)b)
on conflict do nothing
returning prefix;

-- name: revoke_key
-- Returns the key's source, if that is allowed. A key that was revoked before isn't changed.
update write_keys
set revoked_at = coalesce(revoked_at, now())
where prefix = %(prefix)b and (%(allowed)b::text[] is null or source = any(%(allowed)b))
returning source;

-- name: list_tokens
-- A restricted principal sees tokens of its sources. A token without sources isn't listed, though the empty set is a subset.
-- All that are neither revoked nor expired, and of the others those that ended last: an admin may make and revoke any number, and
-- checking whether one counts takes 0.1 ms.
select prefix, name, scopes, sources, created_at, expires_at, last_used, revoked_at,
  coalesce(made_by_person, made_by_token) as made_by, token_counts(prefix) as counts
from (
  select *, row_number() over (partition by has_ended order by ended_at desc, prefix) as place
  from (
    select *, least(revoked_at, expires_at) as ended_at,
      revoked_at is not null or coalesce(expires_at <= now(), false) as has_ended
    from api_tokens
    where %(allowed)b::text[] is null or (sources <@ %(allowed)b and sources <> '{}')
  ) as seen
) as ranked
where not has_ended or place <= %(ended)b::int
order by created_at, prefix;

-- name: add_token
-- The token expires no later than the token that makes it. The person is found by the sign-in: the name may belong to another by now.
insert into api_tokens (prefix, name, hash, scopes, sources, made_by_person, made_by_id, made_by_token, expires_at)
values (
  %(prefix)b, %(name)b, %(hash)b, %(scopes)b, %(sources)b, %(made_by_person)b,
  case when %(made_by_person)b::text is not null then coalesce(
    (select p.id from people p join sign_ins s on s.person = p.name where p.name = %(made_by_person)b and s.prefix = %(sign_in)b),
    0
  ) end,
  %(made_by_token)b,
  least(
    now() + make_interval(days => %(days)b::int),
    (select maker.expires_at from api_tokens maker where maker.prefix = %(made_by_token)b)
  )
)
on conflict do nothing
returning expires_at;

-- name: count_handed_out
-- Tokens of a maker that are neither revoked nor expired. With `whole_line` also those that these made, and so on.
with recursive living as (
  select prefix, made_by_person, made_by_id, made_by_token
  from api_tokens
  where revoked_at is null and (expires_at is null or expires_at > now())
), handed_out as (
  select prefix from living
  where made_by_token = %(token)b
    or (made_by_person = %(person)b and made_by_id = (select id from people where name = %(person)b))
  union
  select living.prefix from handed_out join living on living.made_by_token = handed_out.prefix where %(whole_line)b
)
select count(*)::int as tokens from (select from handed_out limit %(most)b::int) as counted;

-- name: token_counts
select token_counts(%(prefix)b) as counts;

-- name: list_handed_out_tokens
-- Tokens that depend on the rights of their makers and are neither revoked nor expired. At most `most` of them: checking one takes
-- 0.1 ms, and a demotion or a revocation must not fail because there are very many.
select prefix
from api_tokens
where coalesce(made_by_person, made_by_token) is not null and revoked_at is null and (expires_at is null or expires_at > now())
order by prefix
limit %(most)b::int;

-- name: list_counting_tokens
select prefix from unnest(%(prefixes)b::text[]) as handed_out (prefix) where token_counts(prefix);

-- name: revoke_token
update api_tokens
set revoked_at = coalesce(revoked_at, now())
where prefix = %(prefix)b and (%(allowed)b::text[] is null or (sources <@ %(allowed)b and sources <> '{}'))
returning name;

-- name: list_people
-- With the last time that each person signed in or refreshed a sign-in.
select p.name, p.role, p.sources, p.enabled, p.created_at, p.password_hash is not null as has_password, p.one_time,
  p.subject is not null as by_provider,
  (select max(s.renewed_at) from sign_ins s where s.person = p.name) as last_seen
from people p
where %(name)b::text is null or p.name = %(name)b
order by p.name;

-- name: lock_people
-- Serialises changes: two admins who demote each other at once must not both see the other as an admin.
lock table people in share row exclusive mode;

-- name: find_person
select role, sources, enabled from people where name = %(name)b;

-- name: put_person
insert into people (name, role, sources, enabled) values (%(name)b, %(role)b, %(sources)b, %(enabled)b)
on conflict (name) do update set role = excluded.role, sources = excluded.sources, enabled = excluded.enabled
returning name;

-- name: has_admin
-- Whether an admin of all sources is left.
select exists (select from people where role = 'admin' and sources is null and enabled) as has_admin;

-- name: reset_password
-- No row for a person who signs in by a provider: a password would still work after the provider has removed them.
update people
set password_hash = %(password_hash)b, one_time = true, one_time_until = now() + interval '24 hours'
where name = %(name)b and subject is null
returning name;

-- name: end_sign_ins
delete from sign_ins where person = %(name)b returning prefix;

-- name: list_links
-- A page of links, in the order of their key. Those of a person are found by their ids.
select source, alias, person, at, event_id, removed_at
from links
where (%(sources)b::text[] is null or source = any (%(sources)b::text[]))
  and (
    %(user_id)b::text is null
    or alias = any ((select person_ids(%(user_id)b::text, %(sources)b::text[], %(most_ids)b::int))::text[])
    or person = any ((select person_ids(%(user_id)b::text, %(sources)b::text[], %(most_ids)b::int))::text[])
  )
  and (
    %(after_source)b::text is null
    or (source, alias, person) > (%(after_source)b::text, %(after_alias)b::text, %(after_person)b::text)
  )
order by source, alias, person
limit %(limit)b::int;

-- name: remove_links
-- Rows are locked in the order of their key, as collectors lock them.
with chosen as materialized (
  select source
  from links
  where alias = %(alias)b and person = %(person)b and removed_at is null
    and (%(sources)b::text[] is null or source = any (%(sources)b::text[]))
  order by source
  for update
)
update links
set removed_at = now(), changed = pg_current_xact_id()
from chosen
where links.source = chosen.source and alias = %(alias)b and person = %(person)b
returning links.source, alias, person, at, event_id, removed_at;

-- name: restore_links
with chosen as materialized (
  select source
  from links
  where alias = %(alias)b and person = %(person)b and removed_at is not null
    and (%(sources)b::text[] is null or source = any (%(sources)b::text[]))
  order by source
  for update
)
update links
set removed_at = null, changed = pg_current_xact_id()
from chosen
where links.source = chosen.source and alias = %(alias)b and person = %(person)b
returning links.source, alias, person, at, event_id, removed_at;

-- name: list_pages
select source, host, path, title, category, changed_at
from pages
where source = %(source)b and (path, host) > (%(after_path)b, %(after_host)b)
order by path, host
limit %(limit)b::int;

-- name: put_pages
-- Returns those that are new or changed.
insert into pages as known (source, host, path, title, category)
select %(source)b, host, path, title, category
from unnest(%(hosts)b::text[], %(paths)b::text[], %(titles)b::text[], %(categories)b::text[]) as given (host, path, title, category)
order by host, path
on conflict (source, host, path) do update
set title = excluded.title, category = excluded.category, changed_at = now()
where (known.title, known.category) is distinct from (excluded.title, excluded.category)
returning host, path, title, category;

-- name: count_pages
select count(*)::int as pages from pages where source = %(source)b;

-- name: delete_page
delete from pages where source = %(source)b and host = %(host)b and path = %(path)b returning path;

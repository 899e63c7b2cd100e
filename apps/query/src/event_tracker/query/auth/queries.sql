-- name: find_token
-- A valid token. `to_note`: its last use must be written, which isn't possible on a standby: a refused write would cost
-- the connection (event_tracker.core.postgres.pool), at each look-up. `root`: of those up the line who are restricted to some sources, the first one
-- that was let in; the token itself where none is.
with recursive line as (
  select prefix, sources, made_by_person, made_by_token, 1 as place from api_tokens where prefix = %(prefix)b
  union all
  select maker.prefix, maker.sources, maker.made_by_person, maker.made_by_token, line.place + 1
  from line
  join api_tokens maker on maker.prefix = line.made_by_token
  where line.place < 10
), restricted as (
  select 'person' as kind, p.name, line.place + 1 as place
  from line
  join people p on p.name = line.made_by_person
  where p.sources is not null
  union all
  select 'token', prefix, place from line where sources is not null or place = 1
)
select hash, scopes, sources,
  (last_used is null or last_used < now() - interval '1 minute') and current_setting('transaction_read_only') = 'off' as to_note,
  root.kind, root.holder
from api_tokens
cross join (select kind, name from restricted order by place desc limit 1) as root (kind, holder)
where prefix = %(prefix)b and token_counts(prefix);

-- name: use_token
-- A precision of a minute is enough.
update api_tokens set last_used = now()
where prefix = %(prefix)b and (last_used is null or last_used < now() - interval '1 minute')
returning prefix;

-- name: find_person
-- No row if the sign-in has ended, though its access token may not have expired.
-- A person who signed in by a one-time password must first set another. Older sign-ins ended when that password was made.
select role, sources, subject is not null as by_provider, one_time and subject is null as must_set_password
from people
where name = %(name)b and enabled
  and exists (select from sign_ins where prefix = %(sign_in)b and person = name and expires_at > now());

-- name: find_password
-- A person who signs in by a provider has none: it would still work after the provider has removed them.
select password_hash from people
where name = %(name)b and enabled and subject is null and not (one_time and one_time_until <= now());

-- name: set_password
-- Replaces the password that was checked, if it is still the same.
update people set password_hash = %(password_hash)b, one_time = false
where name = %(name)b and enabled and subject is null and password_hash = %(stored)b
returning name;

-- name: set_first_password
-- Replaces a one-time password, by its sign-in, within the time that the password was valid.
update people set password_hash = %(password_hash)b, one_time = false
where name = %(name)b and enabled and subject is null and one_time and one_time_until > now()
  and exists (select from sign_ins where prefix = %(sign_in)b and person = name)
returning name;

-- name: find_lock
-- The seconds for which the name is still locked.
select ceil(extract(epoch from locked_until - now()))::int from failed_sign_ins where name = %(name)b and locked_until > now();

-- name: count_failure
-- From the last free one on, each wrong password in a row doubles the time for which the name is locked. After some time the count
-- is reset. The count and the power are bounded: an overflow would be an error instead of a lock.
insert into failed_sign_ins as known (name, failures, locked_until)
values (%(name)b, 1, now())
on conflict (name) do update
set
  failures = case when known.locked_until < now() - make_interval(secs => %(forgotten)b) then 1
    else least(known.failures, %(most)b::int) + 1
  end,
  locked_until = case
    when known.locked_until < now() - make_interval(secs => %(forgotten)b) or known.failures < %(free)b::int - 1 then now()
    else now() + make_interval(
      secs => least(%(longest)b::float8, power(2, least(known.failures, %(most)b::int) + 1 - %(free)b::int)::float8)
    )
  end
returning failures;

-- name: forget_failures
delete from failed_sign_ins where name = %(name)b or locked_until < now() - make_interval(secs => %(forgotten)b) returning name;

-- name: count_wrong_password
-- No row if the sign-in has ended, or has reached the limit.
update sign_ins set wrong_passwords = wrong_passwords + 1
where prefix = %(sign_in)b and wrong_passwords < %(most)b::int
returning wrong_passwords;

-- name: forget_wrong_passwords
update sign_ins set wrong_passwords = 0 where prefix = %(sign_in)b returning prefix;

-- name: find_subject
select name, enabled from people where subject = %(subject)b;

-- name: welcome
-- No row if the name belongs to somebody else, or the person was disabled in the meantime.
insert into people as known (name, role, subject, sources)
values (%(name)b, %(role)b, %(subject)b, %(sources)b)
on conflict (name) do update set role = excluded.role where known.subject = excluded.subject and known.enabled
returning role, sources;

-- name: lose_role
-- A person to whom the provider gives no role any more gets the least one, so tokens that they made as an admin become invalid.
update people set role = 'viewer' where name = %(name)b and subject is not null returning name;

-- name: begin_sign_in
insert into sign_ins (prefix, person, hash, family_hash, expires_at)
values (%(prefix)b, %(person)b, %(hash)b, %(family_hash)b, now() + make_interval(days => %(days)b::int))
returning prefix;

-- name: begin_sign_in_by_password
-- A one-time password is deleted by its sign-in. Of several concurrent sign-ins one succeeds; the others find it changed.
-- It is one statement, so that a concurrent change of the password either ends this sign-in or prevents it.
with spent as (
  update people
  set password_hash = case when one_time then null else password_hash end
  where name = %(name)b and enabled and password_hash = %(password_hash)b
  returning name, role, sources, one_time
), begun as (
  insert into sign_ins (prefix, person, hash, family_hash, expires_at)
  select %(prefix)b, name, %(hash)b, %(family_hash)b, now() + make_interval(days => %(days)b::int) from spent
  on conflict (prefix) do nothing
)
select role, sources, one_time from spent;

-- name: find_sign_in
-- Sign-ins by a provider end after some hours, so that people whom the provider has removed are refused.
-- `lately`: the previous token is still accepted, because its first use was less than `grace` seconds ago.
select person, hash, previous_hash, family_hash, renewal_salt, renewed_at > now() - make_interval(secs => %(grace)b) as lately
from sign_ins
join people on people.name = person and people.enabled
where prefix = %(prefix)b and expires_at > now()
  and (people.subject is null or began_at > now() - make_interval(hours => %(oidc_hours)b::int));

-- name: renew_sign_in
-- No row if another request renewed it in the meantime.
update sign_ins
set hash = %(hash)b, previous_hash = %(shown)b, family_hash = %(family_hash)b, renewal_salt = %(salt)b, renewed_at = now(),
  expires_at = now() + make_interval(days => %(days)b::int)
where prefix = %(prefix)b and hash = %(shown)b
returning person;

-- name: end_sign_in
delete from sign_ins where prefix = %(prefix)b returning person;

-- name: end_sign_ins
-- All sign-ins of a person, and all that have expired.
delete from sign_ins where person = %(person)b or expires_at < now() returning prefix;

-- name: write_audit
insert into audit (actor, action, target, source, detail)
values (%(actor)b, %(action)b, %(target)b, %(source)b, %(detail)b)
returning id;

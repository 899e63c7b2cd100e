-- name: find_token
-- A token that still counts. `to_note`: its last use is to be written down, which a standby can't: a refused write would cost
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
-- By the minute is what people ask for.
update api_tokens set last_used = now()
where prefix = %(prefix)b and (last_used is null or last_used < now() - interval '1 minute')
returning prefix;

-- name: find_person
-- Whose sign-in has ended isn't there, though an access token of it may not have expired.
-- Who has signed in by a password for one sign-in must first set another; a sign-in that is older has ended when it was made.
select role, sources, subject is not null as by_provider, one_time and subject is null as must_set_password
from people
where name = %(name)b and enabled
  and exists (select from sign_ins where prefix = %(sign_in)b and person = name and expires_at > now());

-- name: find_password
-- Whom a provider vouches for has none: it would go on after the provider has dropped them.
select password_hash from people
where name = %(name)b and enabled and subject is null and not (one_time and one_time_until <= now());

-- name: set_password
-- In place of the one that was looked at.
update people set password_hash = %(password_hash)b, one_time = false
where name = %(name)b and enabled and subject is null and password_hash = %(stored)b
returning name;

-- name: set_first_password
-- In place of one for one sign-in, by that sign-in, as long as that password would have been good.
update people set password_hash = %(password_hash)b, one_time = false
where name = %(name)b and enabled and subject is null and one_time and one_time_until > now()
  and exists (select from sign_ins where prefix = %(sign_in)b and person = name)
returning name;

-- name: find_lock
-- Seconds for which nobody may sign in under this name.
select ceil(extract(epoch from locked_until - now()))::int from failed_sign_ins where name = %(name)b and locked_until > now();

-- name: count_failure
-- From the last free one on, each wrong password in a row doubles the time that the name is locked for. Some time later they
-- are forgotten. Neither the count nor the power grows without end: an overflow would be an error instead of a lock.
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
-- Nothing if the sign-in is over, or has had as many as it may.
update sign_ins set wrong_passwords = wrong_passwords + 1
where prefix = %(sign_in)b and wrong_passwords < %(most)b::int
returning wrong_passwords;

-- name: forget_wrong_passwords
update sign_ins set wrong_passwords = 0 where prefix = %(sign_in)b returning prefix;

-- name: find_subject
select name, enabled from people where subject = %(subject)b;

-- name: welcome
-- Nothing if the name is somebody else's, or the person was disabled in the meantime.
insert into people as known (name, role, subject, sources)
values (%(name)b, %(role)b, %(subject)b, %(sources)b)
on conflict (name) do update set role = excluded.role where known.subject = excluded.subject and known.enabled
returning role, sources;

-- name: lose_role
-- Whom the provider gives no role any more keeps the least, until it gives one again: what they made as an admin ends.
update people set role = 'viewer' where name = %(name)b and subject is not null returning name;

-- name: begin_sign_in
insert into sign_ins (prefix, person, hash, family_hash, expires_at)
values (%(prefix)b, %(person)b, %(hash)b, %(family_hash)b, now() + make_interval(days => %(days)b::int))
returning prefix;

-- name: begin_sign_in_by_password
-- A password for one sign-in is gone after it. Of several sign-ins with it at once one succeeds: the others find it changed.
-- One statement, so that whoever changes the password at the same moment ends this sign-in, or keeps it from being begun.
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
-- Who comes by a provider must go there again after some hours, so that it is noticed whom it vouches for no more.
-- `lately`: the token before the newest may still be shown, for so long after its first use.
select person, hash, previous_hash, family_hash, renewal_salt, renewed_at > now() - make_interval(secs => %(grace)b) as lately
from sign_ins
join people on people.name = person and people.enabled
where prefix = %(prefix)b and expires_at > now()
  and (people.subject is null or began_at > now() - make_interval(hours => %(oidc_hours)b::int));

-- name: renew_sign_in
-- Nothing if someone else renewed it in the meantime.
update sign_ins
set hash = %(hash)b, previous_hash = %(shown)b, family_hash = %(family_hash)b, renewal_salt = %(salt)b, renewed_at = now(),
  expires_at = now() + make_interval(days => %(days)b::int)
where prefix = %(prefix)b and hash = %(shown)b
returning person;

-- name: end_sign_in
delete from sign_ins where prefix = %(prefix)b returning person;

-- name: end_sign_ins
-- All of a person, and what has expired.
delete from sign_ins where person = %(person)b or expires_at < now() returning prefix;

-- name: write_audit
insert into audit (actor, action, target, source, detail)
values (%(actor)b, %(action)b, %(target)b, %(source)b, %(detail)b)
returning id;

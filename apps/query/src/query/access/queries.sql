-- name: find_token
-- A token that still counts.
select hash, scopes, sources
from api_tokens
where prefix = %(prefix)b and revoked_at is null and (expires_at is null or expires_at > now());

-- name: use_token
-- By the minute is what people ask for.
update api_tokens set last_used = now()
where prefix = %(prefix)b and (last_used is null or last_used < now() - interval '1 minute')
returning prefix;

-- name: find_person
select role, sources, subject is not null as by_provider from people where name = %(name)b and enabled;

-- name: find_password
-- Whom a provider vouches for has none: it would go on after the provider has dropped them.
select password_hash from people where name = %(name)b and enabled and subject is null;

-- name: spend_one_time_password
-- A password for one sign-in is gone after it. Of several sign-ins with it at once one succeeds: the others find it changed.
update people
set password_hash = case when one_time then null else password_hash end
where name = %(name)b and enabled and password_hash = %(password_hash)b
returning role, sources, one_time;

-- name: set_password
update people set password_hash = %(password_hash)b, one_time = false
where name = %(name)b and enabled and subject is null
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

-- name: find_subject
select name, enabled from people where subject = %(subject)b;

-- name: welcome
-- Nothing if the name is somebody else's, or the person was disabled in the meantime.
insert into people as known (name, role, subject, sources)
values (%(name)b, %(role)b, %(subject)b, %(sources)b)
on conflict (name) do update set role = excluded.role where known.subject = excluded.subject and known.enabled
returning role, sources;

-- name: begin_sign_in
insert into sign_ins (prefix, person, hash, family_hash, expires_at)
values (%(prefix)b, %(person)b, %(hash)b, %(family_hash)b, now() + make_interval(days => %(days)b::int))
returning prefix;

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

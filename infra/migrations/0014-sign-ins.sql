-- What keeps a stolen refresh token from going unnoticed, a password for one sign-in from being one for ever,
-- and what an admin handed out from outlasting their own rights.

-- All refresh tokens of a sign-in begin with the same digits, which nobody else knows: a token that begins so and is neither
-- the newest nor the one before, in its grace, was used before, however long ago. The release before writes neither column.
alter table sign_ins add column family_hash bytea;
alter table sign_ins add column renewal_salt bytea;

comment on column sign_ins.family_hash is 'SHA-256 of what all its refresh tokens begin with: the prefix and 12 digits. Null: not renewed since the release before.';
comment on column sign_ins.renewal_salt is 'The newest token is made of it and the one before, so that an answer that was lost can be given again.';

-- What was given out before counts for a day more.
alter table people add column one_time_until timestamptz not null default now() + interval '24 hours';

comment on column people.one_time is 'The password is for one sign-in, and is gone then. It stays set until the person has set another.';
comment on column people.one_time_until is 'Until when such a password counts, and another can be set in its place.';

-- What was made before, or by the database's owner, has no maker.
alter table api_tokens add column made_by_person text collate "C";
alter table api_tokens add column made_by_token text collate "C";

comment on column api_tokens.made_by_person is 'The admin who made it. It counts as long as they may hand out such a token.';
comment on column api_tokens.made_by_token is 'Prefix of the token that made it. It counts as long as that one counts and may hand out such a token.';

create function token_counts (wanted text) returns boolean language sql stable as $$
  -- The token, who made it, who made that, and so on; up to ten, so that a look-up stays cheap.
  with recursive line as (
    select t.*, 1 as place from api_tokens t where t.prefix = wanted
    union all
    select maker.*, line.place + 1 from line join api_tokens maker on maker.prefix = line.made_by_token where line.place < 10
  )
  select count(*) > 0 and coalesce(bool_and(
    line.revoked_at is null
    and (line.expires_at is null or line.expires_at > now())
    and (line.made_by_person is null or exists (
      select from people p
      where p.name = line.made_by_person and p.enabled and p.role = 'admin'
        and (p.sources is null or line.sources <@ p.sources)
    ))
    and (line.made_by_token is null or line.place < 10 and exists (
      select from api_tokens maker
      where maker.prefix = line.made_by_token and 'admin' = any(maker.scopes)
        and (maker.sources is null or line.sources <@ maker.sources)
    ))
  ), false)
  from line
$$;

comment on function token_counts is 'Whether an API token gets in: neither it nor who made it is revoked, expired, or without the right to hand it out.';

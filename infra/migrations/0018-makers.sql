-- What keeps one sign-in from guessing its person's password; and who made an API token, when names come back.

alter table sign_ins add column wrong_passwords integer not null default 0;

comment on column sign_ins.wrong_passwords is 'How often POST /auth/password was given a wrong current password by this sign-in.';

-- A person who is made under the name of one who was deleted is somebody else, and has made none of their tokens.
alter table people add column id bigint not null generated always as identity;
alter table people add constraint people_id unique (id);
alter table api_tokens add column made_by_id bigint;

comment on column people.id is 'Never given again, as a name may be.';
comment on column api_tokens.made_by_id is 'people.id of made_by_person; 0 is somebody who is gone. Null: made by the release before, so by whoever has the name.';

update api_tokens
set made_by_id = coalesce((select id from people where name = made_by_person), 0)
where made_by_person is not null;

create or replace function token_counts (wanted text) returns boolean language sql stable as $$
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
      where p.name = line.made_by_person and p.id = coalesce(line.made_by_id, p.id) and p.enabled and p.role = 'admin'
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

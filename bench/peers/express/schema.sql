-- What a small tracker's table looks like: a serial key, and an index for one user's newest events.
create table events (
  id          bigserial   primary key,
  user_id     text        not null,
  event_type  text        not null,
  "timestamp" timestamptz not null default now(),
  session_id  text,
  properties  jsonb       not null default '{}'
);

create index events_user_timestamp on events (user_id, "timestamp" desc);

-- How many events a second each key of a source may send, over all collectors.
--
-- One row a key that is limited, by the generic cell rate algorithm (ITU-T I.371): used_up_to is the time until which what was
-- let in has used up the rate. It lies ahead of now by no more than the burst and one request. It needs no cleaning up.

alter table sources add column rate_limit integer;
alter table sources add constraint sources_rate_limit check (rate_limit between 1 and 1000000);

comment on column sources.rate_limit is 'Events a second for each of its keys; null is no limit.';

create table rate_limits (
  prefix     text collate "C" not null,
  used_up_to timestamptz      not null,

  constraint rate_limits_pkey primary key (prefix),
  constraint rate_limits_key  foreign key (prefix) references write_keys (prefix) on delete cascade
);

grant select, insert, update on rate_limits to collector;

-- Where a relay writes to, as receipts of erasures name it: not all relays write to topics.

alter table relays add column place text not null default 'published topics';

comment on column relays.place is 'Where it writes to, as receipts of erasures name it.';

grant select (place) on relays to control;

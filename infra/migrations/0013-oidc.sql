-- People whom an OpenID Connect provider vouches for.

alter table people add column subject text collate "C";
alter table people add constraint people_subject unique (subject);

comment on column people.subject is 'Issuer, a space, and the provider''s `sub`. Null: not known by a provider. Names may change hands there, this doesn''t.';

alter table sign_ins add column began_at timestamptz not null default now();

comment on column sign_ins.began_at is 'However often it is renewed; who comes by a provider has to go there again some time later.';

-- Which event schemas collectors have set aside, since their checks took too long, and until when: so that who set one sees it.
--
-- Collectors write it, once a minute for a schema at most, and never read it: each has budgets of its own. It is a table of
-- its own since a change of event_schemas has every collector read sources, keys and schemas again.

create table schemas_set_aside (
  source     text        collate "C" not null,
  event_type text        collate "C" not null,
  version    integer                 not null,
  until      timestamptz             not null,

  constraint schemas_set_aside_pkey   primary key (source, event_type, version),
  constraint schemas_set_aside_schema foreign key (source, event_type, version) references event_schemas on delete cascade
);

comment on column schemas_set_aside.until is 'The latest of all collectors, and of all times that the version was set aside.';

grant select, insert, update on schemas_set_aside to collector;
grant select on schemas_set_aside to control;

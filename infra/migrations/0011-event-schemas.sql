-- Event schemas (a tracking plan): what the properties of a source's events must be, by event type; and what was refused.
--
-- Versions are only added. The newest is the one that counts; collectors take it over within seconds, as they do keys.

alter table sources add column schema_mode text not null default 'off';
alter table sources add constraint sources_schema_mode check (schema_mode in ('off', 'warn', 'enforce'));

comment on column sources.schema_mode is 'off: schemas are not looked at; warn: what violates one is stored and flagged; enforce: it is refused.';

create table event_schemas (
  source     text        collate "C" not null,
  event_type text        collate "C" not null,
  version    integer                 not null,
  schema     jsonb                   not null,
  created_at timestamptz             not null default now(),

  constraint event_schemas_pkey    primary key (source, event_type, version),
  constraint event_schemas_source  foreign key (source) references sources (name) on delete cascade,
  constraint event_schemas_type    check (char_length(event_type) between 1 and 100),
  constraint event_schemas_version check (version > 0),
  constraint event_schemas_object  check (jsonb_typeof(schema) = 'object')
);

comment on column event_schemas.schema is 'JSON Schema 2020-12 of the events'' properties.';

create trigger event_schemas_changed after insert or update or delete on event_schemas for each statement execute function catalog_changed();

-- Refused events, bounded by number and age for each source. Nothing depends on a row here: collectors write them when they
-- can. The payload is bytes, since a refused event may be anything.
create table rejections (
  id                  uuid                    not null,
  source              text        collate "C" not null,
  received_at         timestamptz             not null,
  reason              text                    not null,
  detail              jsonb                   not null,
  event_type          text        collate "C",
  user_id             text        collate "C",
  payload             bytea                   not null,
  is_whole            boolean                 not null,
  replay_requested_at timestamptz,

  constraint rejections_pkey   primary key (id),
  constraint rejections_detail check (jsonb_typeof(detail) = 'array')
);

comment on column rejections.id is 'A UUIDv7. It becomes the event''s when it is replayed and had none, as received_at becomes its timestamp.';
comment on column rejections.reason is 'The code of the first of the errors in detail.';
comment on column rejections.user_id is 'Whose event it is, as far as that could be read.';
comment on column rejections.is_whole is 'False: the payload was too large and is cut off.';

create index rejections_by_source on rejections (source, received_at, id);
create index rejections_user_id on rejections (user_id);
create index rejections_to_replay on rejections (replay_requested_at) where replay_requested_at is not null;

-- Null but for events that were stored although they violate their schema. A column without a default is added at once,
-- however many rows there are.
alter table events add column violations jsonb;

comment on column events.violations is '{"schema_version", "errors": [{"pointer", "detail"}]}';

grant select on event_schemas to collector, query;
grant select, insert, update, delete on rejections to collector;
grant select, insert, update, delete on event_schemas, rejections to control;

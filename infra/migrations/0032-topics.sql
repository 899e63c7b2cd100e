-- Erasures reach what is in Kafka: no storer stores a record of a user who was erased after it was written, however late it is read.
--
-- A storer holds the advisory lock (16, 2), shared, while it stores a batch; an erasure holds it alone. So they come one after the
-- other: the erasure deletes what was stored before it, and who stores afterwards sees its rows in topic_erasures. A storer then asks
-- the brokers for the ends of the topic's partitions. They were read after the erasure, so that what it is about lies before them.

create table topics (
  name        text        not null,
  topic_id    text        not null,
  keep        interval,
  checked_at  timestamptz not null default now(),
  known_since timestamptz not null default now(),
  known_from  bigint[],

  constraint topics_pkey primary key (name)
);

comment on table topics is 'The topics of Kafka that storers read into this database.';
comment on column topics.topic_id is 'Kafka''s id: a topic that is made again, or is in another cluster, has another one.';
comment on column topics.keep is 'How long a record is in the topic at most; null: there is no bound.';
comment on column topics.checked_at is 'When a storer last looked how long records are in it. It may be another time by now.';
comment on column topics.known_since is 'When a storer first saw the topic with this id. It may have records of one of the same name.';
comment on column topics.known_from is 'By partition: of records from this offset on, each erasure after them is in topic_erasures, for as '
  'long as they may be in the topic. A partition that isn''t there was added later: its first record. Null: not read yet.';

create table topic_erasures (
  id        bigint      not null generated always as identity,
  at        timestamptz not null,
  salt      bytea       not null,
  user_hash bytea       not null,
  sources   text[],

  constraint topic_erasures_pkey primary key (id)
);

comment on table topic_erasures is 'Users who were erased, while a topic may have records of before. Ids are in the order of COMMIT.';
comment on column topic_erasures.salt is 'Random; shared by the erasures of a day.';
comment on column topic_erasures.user_hash is 'SHA-256 of the salt and the user''s id.';
comment on column topic_erasures.sources is 'Of which sources the user''s events are erased; null is all.';

create table topic_ends (
  topic    text     not null,
  topic_id text     not null,
  erasure  bigint   not null,
  ends     bigint[] not null,

  constraint topic_ends_pkey primary key (topic, topic_id, erasure)
);

comment on table topic_ends is 'The end of each partition of a topic, read after the erasure with this id and all before it.';

grant select, insert, update on topics to collector;
grant select on topic_erasures to collector;
grant select, insert on topic_ends to collector;
grant select (name, keep) on topics to control;
grant select (id, at, salt), insert on topic_erasures to control;

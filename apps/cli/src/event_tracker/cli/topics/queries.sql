-- name: forget_topic
-- A storer that runs looks at its topics once an hour. Until then it wouldn't learn whom an erasure is about.
with known as (
  select name, checked_at < now() - interval '2 hours' as is_unused from topics where name = %(topic)s
),
deleted as (
  delete from topics where name in (select name from known where is_unused)
),
ends as (
  delete from topic_ends where topic in (select name from known where is_unused)
)
select is_unused from known;

-- name: pieces
-- Each session's page views by {label}. (user_id, session_id, visit, part) identifies a session; part is 0 of one that isn't cut.
uncut as materialized (
  select {label}, user_id, session_id, visit, min(micros) as first, max(micros) as last, count(*) as views
  from ({visited}) as visited
  group by all
),
long as materialized (
  select user_id, session_id, visit from uncut group by all having max(last) - min(first) > $longest
),
{cut},
piece as materialized (
  select {label}, user_id, session_id, visit, 0 as part, first, last, views
  from uncut
  anti join long using (user_id, session_id, visit)
  union all
  select {label}, user_id, session_id, visit, part, min(micros), max(micros), count(*) from cut group by all
),
session as materialized (
  select user_id, session_id, visit, part, sum(views) as views, max(last) - min(first) as duration
  from piece
  group by all
)

-- name: edges
-- Sessions with the key of their first page view, or of their last.
uncut as materialized (
  select
    user_id, session_id, visit, min(micros) as first, max(micros) as last, count(*) as views, {edge}(key, place) as key
  from ({visited}) as visited
  group by user_id, session_id, visit
),
long as materialized (select user_id, session_id, visit from uncut where last - first > $longest),
{cut},
session as materialized (
  select user_id, views, key from uncut where last - first <= $longest
  union all
  select any_value(user_id), count(*), {edge}(key, place) from cut group by part
)

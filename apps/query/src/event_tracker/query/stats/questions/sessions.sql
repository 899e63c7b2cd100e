-- name: sessions
-- Sessions, and from them the totals in one row. Times are in microseconds.
with selected as not materialized ({selected}),
uncut as materialized (
  select
    user_id, session_id, visit, min(micros) as first, max(micros) as last, count(*) as events,
    arg_min_null(key, place) as entry, arg_max_null(key, place) as exit
  from ({visited}) as visited
  group by user_id, session_id, visit
),
long as materialized (select user_id, session_id, visit from uncut where last - first > $longest),
{cut},
session as materialized (
  select user_id, first, last, events, entry, exit from uncut where last - first <= $longest
  union all
  select any_value(user_id), min(micros), max(micros), count(*), arg_min_null(key, place), arg_max_null(key, place)
  from cut
  group by part
),
entries as (select entry as key, count(*) as count from session group by entry order by count desc, key nulls last limit $limit),
exits as (select exit as key, count(*) as count from session group by exit order by count desc, key nulls last limit $limit)
select
  count(*),
  count(distinct user_id),
  coalesce(sum(events), 0)::bigint,
  count(*) filter (where events = 1),
  avg(last - first),
  quantile_cont(last - first, [0.5, 0.9]),
  max(last - first),
  (select list(entries order by count desc, key nulls last) from entries),
  (select list(exits order by count desc, key nulls last) from exits)
from session

-- name: events
-- Events by interval and series. `series` is the key's rank; 0 is every other key, -1 is no key.
with selected as ({selected}),
counted as materialized (select {number} as number, key, count(*) as count from selected group by all),
top as (
  select key, row_number() over (order by sum(count) desc, key) as rank
  from counted
  where key is not null
  group by key
  order by rank
  limit $limit
)
select coalesce(rank, case when counted.key is null then -1 else 0 end) as series, top.key, number, sum(count)::bigint
from counted
left join top on counted.key = top.key
group by all

-- name: subjects
-- Distinct users or sessions by interval and series; number 0 is the whole range.
with {found},
top as materialized (
  select key, row_number() over (order by count(*) desc, key) as rank
  from (select distinct key, {subject} from found where key is not null) as subject
  group by key
  order by rank
  limit $limit
),
ranked as materialized (
  select distinct coalesce(rank, case when found.key is null then -1 else 0 end) as series, number, {subject}
  from found
  left join top on found.key = top.key
),
counted as (
  select series, number, count(*) as count from ranked group by all
  union all
  select series, 0, count(*) from (select distinct series, {subject} from ranked) as subject group by series
)
select series, key, number, count
from counted
left join top on rank = series

-- name: found.users
found as materialized ({active})

-- name: found.sessions
selected as not materialized ({selected}),
uncut as materialized (
  select {number} as number, key, user_id, session_id, visit, min(micros) as first, max(micros) as last
  from ({visited}) as visited
  group by all
),
long as materialized (
  select user_id, session_id, visit from uncut group by all having max(last) - min(first) > $longest
),
{cut},
found as materialized (
  select number, key, user_id, session_id, visit, 0 as part from uncut anti join long using (user_id, session_id, visit)
  union all
  select distinct {number}, key, user_id, session_id, visit, part from cut
)

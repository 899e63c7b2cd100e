-- name: summary
-- Page views, visitors and sessions by interval; number 0 is the whole range. Durations are in microseconds.
with selected as not materialized (select *, {number} as interval_number from ({selected})),
{pieces}
select
  0, coalesce(sum(views), 0)::bigint, count(distinct user_id), count(*), count(*) filter (where views = 1),
  avg(duration), median(duration)
from session
union all
select
  interval_number, sum(piece.views)::bigint, count(distinct user_id), count(*),
  count(*) filter (where session.views = 1), avg(duration), null
from piece
join session using (user_id, session_id, visit, part)
group by interval_number

-- name: funnel
-- How many users take each step, and the median time from the step before, in microseconds.
with selected as ({selected}),
matched as materialized (
  select user_id, micros, row_number() over (order by user_id, "timestamp", received_at, event_id) as number, {matches}
  from selected
),
{levels}
select * from ({answers}) order by step

-- name: match
{condition} as match_{step}

-- name: first_level
level_1 as materialized (
  select user_id, number, micros, micros as start, null::bigint as before from matched where match_1
)

-- name: level
-- The events that complete a step: after one that completes the step before, and in time. Of those, the latest has the latest start
-- (`start`, when the first step of the chain was), since starts only grow along a user's events. So any first step may start a funnel.
level_{step} as materialized (
  select here.user_id, here.number, here.micros, below.start, below.micros as before
  from (select * from matched where match_{step}) as here
  asof join level_{below} as below on here.user_id = below.user_id and here.number > below.number
  where here.micros - below.start <= $window
)

-- name: answer
select {step} as step, count(*), quantile_cont(took, 0.5)
from (select arg_min_null(micros - before, number) as took from level_{step} group by user_id) as first_completion

-- name: visited
-- Events with their visit. (user_id, session_id, visit) identifies a session that isn't cut yet. With a session_id, visit is 0.
-- Without one, session_id is '' (which no event has) and visit is its start; a new one starts after each gap.
select user_id, session_id, 0 as visit, {columns}
from {events}
where session_id is not null
union all
select user_id, '', max(case when begins then micros end) over (partition by user_id order by micros), {columns}
from (
  select *, (micros - lag(micros) over (partition by user_id order by micros) <= $gap) is not true as begins
  from {events}
  where session_id is null
)

-- name: cut
-- The events of the visits in `long`, which are too long, each with the part of its visit. There are few. Moments have numbers, in
-- the order of visits and time, and a part has the number of its first one: of the first event that is too late for the part before.
-- `begin` has these numbers, and `jump` leads from each moment to where the next part would begin.
of_long as materialized (
  select visited.*, dense_rank() over (order by user_id, session_id, visit, micros) as number
  from ({visited}) as visited
  join long using (user_id, session_id, visit)
),
moment as materialized (select distinct number, user_id, session_id, visit, micros from of_long),
jump_0 as materialized (
  select here.number, there.number as next
  from moment as here
  asof join moment as there
    on here.user_id = there.user_id and here.session_id = there.session_id and here.visit = there.visit
    and here.micros + $longest < there.micros
),
begin_0 as materialized (select min(number) as number from moment group by user_id, session_id, visit),
{steps}
cut as (
  select of_long.*, start.number as part from of_long asof join {begin} as start on of_long.number >= start.number
)

-- name: cut.step
-- Each step finds twice as many parts, and jumps twice as far.
{jump} as materialized (
  select here.number, there.next from {jump_below} as here join {jump_below} as there on here.next = there.number
),
{begin} as materialized (
  select number from {begin_below} union all select next from {begin_below} join {jump_below} using (number)
),

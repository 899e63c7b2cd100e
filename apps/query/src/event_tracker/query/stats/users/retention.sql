-- name: retention
-- Sizes of cohorts (offset -1), and how many of each were active in which period after theirs.
with cohort as materialized (
  select user_id, {number} as period from (select user_id, epoch_us(first_seen) as micros from first_seen) as first_seen
),
active as (select number as period, user_id from ({active}))
select period, -1, count(*) from cohort group by period
union all
select cohort.period, active.period - cohort.period, count(*)
from active
join cohort using (user_id)
group by all

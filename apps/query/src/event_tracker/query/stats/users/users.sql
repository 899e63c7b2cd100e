-- name: users
-- Active and new users by interval; number 0 is the whole range. A user whom a collector of the previous release has just stored isn't
-- in `first_seen`, but counts as active.
with active as materialized ({active}),
new as materialized (
  select user_id, {number} as number from (select user_id, epoch_us(first_seen) as micros from first_seen) as first_seen
)
select active.number, count(*), count(*) filter (where new.number = active.number)
from active
left join new using (user_id)
group by active.number
union all
select 0, count(*), count(new.user_id)
from (select distinct user_id from active) as everybody
left join new using (user_id)

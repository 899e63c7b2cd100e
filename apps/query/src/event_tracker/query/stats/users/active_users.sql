-- name: sent
select distinct number, key, user_id
from (select *, {number} as number from ({selected}))

-- name: persons
-- The person of each id is looked up after distinct ids were taken for each interval: these are fewer than the events, and a join costs
-- more than reading does.
select distinct number, key, coalesce(person, user_id) as user_id
from ({sent})
left join persons on user_id = alias

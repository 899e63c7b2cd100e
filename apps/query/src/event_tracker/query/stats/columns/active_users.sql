-- name: sent
select distinct number, key, user_id
from (select *, {number} as number from ({selected}))

-- name: persons
-- Ids are led to persons once each of them is there once an interval: that is a part of the events, and a join takes more than reading.
select distinct number, key, coalesce(person, user_id) as user_id
from ({sent})
left join persons on user_id = alias

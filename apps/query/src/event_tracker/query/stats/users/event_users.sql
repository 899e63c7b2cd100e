-- name: event_users
-- The users of the selected events: for each the number of events, the first and the last (microseconds since 1970). Every row has
-- the number of all users; an empty page has one row with that alone.
with selected as ({selected}),
found as materialized (
  select user_id, count(*) as events, min(micros) as first, max(micros) as last
  from selected
  {newcomers}
  group by user_id
),
page as (
  select * from found order by {order} limit $limit offset $offset
)
select total.users, user_id, events, first, last
from (select count(*) as users from found) as total
left join page on true
order by {order}

-- name: newcomers
semi join first_seen using (user_id)

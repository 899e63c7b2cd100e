-- name: values
with found as (select {value} as value from events)
select value
from found
where length(value) between 1 and $longest and {matches}
group by value
order by count(*) desc, value
limit $limit

-- name: property_names
-- Names of properties: of all blocks, those that have a column of their own; and those of the newest rows, which are sampled once more,
-- since each event's JSON is read. First those of the newest rows, the commonest first.
with newest as (select properties from events order by "timestamp" desc limit $rows),
found as (
  select name, 0 as recent, events from own_names
  union all
  select unnest(json_keys(properties)), 1, 0 from newest
)
select name
from found
where length(name) between 1 and $longest and {matches}
group by name
order by sum(recent) desc, sum(events) desc, name
limit $limit

-- name: top_properties
-- The most frequent values, the highest count first; then all values together (0) and no value (-1).
with selected as ({selected}),
counted as materialized (select key, count(*) as count from selected group by key),
top as (
  select row_number() over (order by count desc, key) as rank, key, count
  from counted
  where key is not null
  order by rank
  limit $limit
)
select rank, key, count from top
union all
select 0, null, coalesce(sum(count) filter (where key is not null), 0)::bigint from counted
union all
select -1, null, coalesce(sum(count) filter (where key is null), 0)::bigint from counted

-- name: paths
-- Whole sequences of keys from each occurrence, counted; then transitions (by step), sequences (step 0) and occurrences (step -1).
-- Rank 0 is everything that isn't listed. Keys are in the order in which they are read: backwards in time for previous ones.
with selected as not materialized ({selected}),
uncut as materialized (
  select user_id, session_id, visit, min(micros) as first, max(micros) as last, {keys} as keys
  from ({visited}) as visited
  group by user_id, session_id, visit
),
long as materialized (select user_id, session_id, visit from uncut where last - first > $longest),
{cut},
keyed as (
  select keys from uncut where last - first <= $longest
  union all
  select {keys} from cut group by part
),
sequence as materialized (
  select keys, count(*) as count from ({occurrences}) as occurrence group by keys
),
counted as (
  select step, [keys[step], keys[step + 1]] as keys, sum(count) as count
  from sequence
  cross join (select unnest(range(1, $depth + 1)) as step) as steps
  where step <= len(keys)
  group by all
  union all
  select 0, keys, count from sequence
),
ranked as materialized (
  select step, row_number() over (partition by step order by count desc, keys) as rank, keys, count from counted
)
select step, rank, keys, count::bigint from ranked where rank <= $limit
union all
select step, 0, null, sum(count)::bigint from ranked where rank > $limit group by step
union all
select -1, 0, null, coalesce(sum(count), 0)::bigint from sequence
order by step, rank

-- name: edges
-- The first keys of each session, or the last ones.
select keys from keyed where keys is not null

-- name: edges.next
arg_min(key, place, $depth + 1) filter (where key is not null)

-- name: edges.previous
arg_max(key, place, $depth + 1) filter (where key is not null)

-- name: origin
-- The keys from every occurrence of the start in a session.
select keys[begin:begin + $depth] as keys
from (select keys, unnest(range(1, len(keys) + 1)) as begin from keyed where list_contains(keys, $origin)) as place
where keys[begin] = $origin

-- name: origin.next
list(key order by place) filter (where key is not null)

-- name: origin.previous
list(key order by place desc) filter (where key is not null)

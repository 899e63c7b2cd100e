-- name: top
-- Keys with what `page` lists of them, and in each row the number of keys and of all visitors. An empty page has one row without a key.
with selected as not materialized (select * replace ({key} as key) {more} from ({selected})),
{sessions},
{counted},
page as (
  select *, row_number() over (order by {order}) as rank from counted order by rank limit $limit offset $offset
)
select
  (select count(*) from counted), (select count(distinct user_id) from session), rank, key, visitors, views, sessions,
  bounces, bytes, seconds
from (select 1) as one
left join page on true
order by rank

-- name: by_views
counted as materialized (
  select
    key, count(distinct user_id) as visitors, sum(piece.views)::bigint as views, count(*) as sessions,
    count(*) filter (where session.views = 1) as bounces, null as bytes, null as seconds
  from piece
  join session using (user_id, session_id, visit, part)
  group by key
)

-- name: by_sessions
counted as materialized (
  select
    key, count(distinct user_id) as visitors, sum(views)::bigint as views, count(*) as sessions,
    count(*) filter (where views = 1) as bounces, null as bytes, null as seconds
  from session
  group by key
)

-- name: with_bytes
-- No more bytes than JSON's readers have numbers for.
{by_views_uncounted},
transferred as (
  select key, least(coalesce(sum(bytes), 0), 9007199254740991)::bigint as bytes from selected group by key
),
counted as materialized (
  select by_views.* exclude (bytes), transferred.bytes
  from by_views
  join transferred on by_views.key is not distinct from transferred.key
)

-- name: slowest
{by_views_uncounted},
timed as (
  select key, {{'count': count(*), 'quantiles': quantile_cont(seconds, [0.5, 0.95])}} as seconds
  from selected
  where isfinite(seconds)
  group by key
),
counted as materialized (
  select by_views.* exclude (seconds), timed.seconds
  from by_views
  join timed on by_views.key is not distinct from timed.key
)

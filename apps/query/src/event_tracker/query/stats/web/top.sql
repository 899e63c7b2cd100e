-- name: top
-- Keys with what `page` lists of them, and in each row the number of keys and of all visitors. An empty page has one row without a key.
with {selected},
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

-- name: keyed
selected as not materialized (select * replace ({key} as key) {more} from ({events}))

-- name: named
-- The key is what the page is called: on its host, or else on every host.
known as materialized (
  select
    unnest($page_sources::varchar[]) as source, unnest($page_hosts::varchar[]) as host,
    unnest($page_paths::varchar[]) as path, unnest($page_names::varchar[]) as name
),
viewed as not materialized (select *, coalesce({host}, '') as host, {page} as path from ({events})),
{learnt}
selected as not materialized (
  select viewed.* replace (coalesce(here.name, anywhere.name {latest}) as key)
  from viewed
  left join known as here on here.source = viewed.source and here.host = viewed.host and here.path = viewed.path
  left join known as anywhere
    on anywhere.source = viewed.source and anywhere.host = '' and anywhere.path = viewed.path
  {titles}
)

-- name: learnt
-- The latest title that a page's views have.
learnt as materialized (
  select source, host, path, arg_max({title}, place) as title
  from viewed
  where {title} is not null
  group by source, host, path
),

-- name: titles
left join learnt on learnt.source = viewed.source and learnt.host = viewed.host and learnt.path = viewed.path

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

-- name: source
-- Where a page view came from, by what it says itself.
coalesce({source}, {named}, {host}, 'direct')

-- name: channel
coalesce({channel}, case when {is_campaign} then 'campaign' when {host} is not null then 'site' else 'direct' end)

-- name: location
-- As a point of a map, with its name; null without both coordinates.
({latitude} || ',' || {longitude} || coalesce(' ' || {city}, ''))

-- name: text
-- A value without blanks around it, in small letters; null where nothing is left.
nullif(lower(trim({value})), '')

-- name: host
-- The host of a URL in small letters, without `www.`; null of anything else.
nullif(
  regexp_replace(
    lower(regexp_extract({url}, '^[A-Za-z][A-Za-z0-9+.-]*://(?:[^/?#@]*@)?([^/?#:]+)', 1)), '^www[.]', ''
  ),
  ''
)

-- name: number
-- The number that a text is (docs/definitions.md, filter); null of other texts.
try_cast(regexp_extract({value}, '^-?(?:0|[1-9][0-9]*)(?:[.][0-9]+)?$') as double)

-- name: whole_number
-- Up to 15 digits.
try_cast(regexp_extract({value}, '^(?:0|[1-9][0-9]{{0,14}})$') as bigint)

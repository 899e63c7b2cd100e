-- name: equals
{value} = cast({wanted} as text)

-- name: postgres.one_of
{value} = any (cast({wanted} as text[]))

-- name: duckdb.one_of
list_contains(cast({wanted} as text[]), {value})

-- name: shortest
-- The shortest spelling of a number (event_tracker.query.filters.numbers, normalise); any other text as it is.
(case
  when right({value}, 1) = '0' and {value} ~ '^-?(?:0|[1-9][0-9]*)[.][0-9]+$' then rtrim(rtrim({value}, '0'), '.')
  else {value}
end)

-- name: postgres.same_number
-- Longer spellings of a number are its stem and trailing zeros (event_tracker.query.filters.numbers).
({is_text} or right({value}, 1) = '0' and {is_stem})

-- name: postgres.without_zeros
rtrim({value}, '0')

-- name: contains
strpos({value}, cast({wanted} as text)) > 0

-- name: starts_with
starts_with({value}, cast({wanted} as text))

-- name: gt
{key} > cast({wanted} as {type})

-- name: gte
{key} >= cast({wanted} as {type})

-- name: lt
{key} < cast({wanted} as {type})

-- name: lte
{key} <= cast({wanted} as {type})

-- name: text_key
-- Sorts by code points.
{value} collate "C"

-- name: other_key
-- Sorts by code points; null for a number.
(case when not {value} ~ '^-?(?:0|[1-9][0-9]*)(?:[.][0-9]+)?$' then {value} end) collate "C"

-- name: number_key
-- Sorts as the number does (event_tracker.query.filters.numbers); null for anything else.
(case when {value} ~ '^-?(?:0|[1-9][0-9]*)(?:[.][0-9]+)?$' then case
  when starts_with({value}, '-') then '0' || translate({magnitude}, '0123456789', '9876543210') || '~'
  else '1' || {magnitude}
end end) collate "C"

-- name: magnitude
lpad(cast(length(split_part(ltrim({value}, '-'), '.', 1)) as text), 9, '0')
  || replace(ltrim(case when strpos({value}, '.') > 0 then rtrim({value}, '0') else {value} end, '-'), '.', '')

-- name: postgres.member
({object} -> cast({key} as text))

-- name: postgres.property
(properties ->> cast({key} as text))

-- name: postgres.text
-- Objects and arrays have none.
(case when jsonb_typeof({json}) not in ('object', 'array') then {json} #>> '{{}}' end)

-- name: postgres.is_set
jsonb_typeof({json}) <> 'null'

-- name: postgres.contains
case
  when jsonb_typeof({json}) = 'array' then exists (
    select from jsonb_array_elements(case when jsonb_typeof({json}) = 'array' then {json} end) as element (value)
    where {has_element}
  )
  else {has_text}
end

-- name: postgres.element
element.value

-- name: duckdb.once
list_transform([{value}], lambda {variable}: {result})[1]

-- name: duckdb.number
-- Null for other texts.
try_cast(regexp_extract({value}, '^-?(?:0|[1-9][0-9]*)(?:[.][0-9]+)?$') as double)

-- name: duckdb.ordered
({nearly} and ({surely} or {exact}))

-- name: duckdb.nested
json_extract(nested, {key})

-- name: duckdb.member
case when json_type({object}) = 'OBJECT' then json_extract({object}, {key}) end

-- name: duckdb.text
-- Objects and arrays have none.
(case when json_type({json}) not in ('OBJECT', 'ARRAY') then json_extract_string({json}, '$') end)

-- name: duckdb.is_set
json_type({json}) <> 'NULL'

-- name: duckdb.is_text_set
{value} is not null

-- name: duckdb.contains
case
  when json_type({json}) = 'ARRAY' then len(list_filter(cast({json} as json[]), lambda element: {has_element})) > 0
  else {has_text}
end

-- name: duckdb.element
element

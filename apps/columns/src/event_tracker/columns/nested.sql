-- name: nested
-- PostgreSQL: the properties that are objects or arrays, as JSON; null if there are none. The cheap check comes first.
case
  when strpos(properties::text, '": {') > 0 or strpos(properties::text, '": [') > 0
  then (select jsonb_object_agg(key, value) from jsonb_each(properties) where jsonb_typeof(value) in ('object', 'array'))
end

-- name: nested_texts
-- DuckDB: the same with all numbers as texts, because DuckDB would read them as doubles. Each match is what comes before a number,
-- with whole strings, and the number. The 0 that is added is the last match, so that none begins within a string.
left(
  regexp_replace(nested || '0', '((?:"(?:[^"\\]|\\.)*"|[^"0-9-])*)(-?[0-9]+(?:[.][0-9]+)?)', '\1"\2"', 'g'),
  -3
)

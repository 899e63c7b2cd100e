-- name: name_property
set variable {variable} = $path;

-- name: value_in_json
json_extract_string(properties, getvariable({variable}))

-- name: normal_form
-- The cheap check comes first.
case
  when {text} like '%.%0' and regexp_full_match({text}, '-?(0|[1-9][0-9]*)[.][0-9]+') then rtrim(rtrim({text}, '0'), '.')
  else {text}
end

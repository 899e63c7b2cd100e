-- name: counting
-- Of each alias the link that counts.
create temp table counting as
select alias, person, micros, event_id, source
from {links}
where not removed and list_contains($sources, source)
qualify row_number() over (partition by alias order by micros, event_id, source, person) = 1;

-- name: first_jump
create temp table jump_0 as select alias, person from counting;

-- name: jump
-- Twice as far along the links as the jump before, or to the end.
create temp table {jump} as
select here.alias, coalesce(there.person, here.person) as person
from {before} as here
left join {before} as there on here.person = there.alias;

-- name: count_unfinished
select count(*) from {jump} as jump semi join counting on jump.person = counting.alias;

-- name: circles
-- After jumps that are longer than any chain, every id that isn't at an end is in a circle, and those lead to all of it.
from counting semi join {jump} as jump on counting.alias = jump.person;

-- name: cut
delete from counting where alias in (select unnest($aliases::varchar[]));

-- name: keep
create table {table} as from {jump};

-- name: persons_of
-- Of some ids those that lead to a person.
select alias, person from {table} semi join (select unnest($ids::varchar[]) as id) as wanted on alias = id;

-- name: aliases_of
-- The ids that lead to some persons; not all of them, if there are more than `most`.
select alias, person from {table} semi join (select unnest($persons::varchar[]) as id) as wanted on person = id
limit $most;

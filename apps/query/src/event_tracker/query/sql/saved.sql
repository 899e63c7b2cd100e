-- name: list_saved
select name, sql, owner, changed_at
from saved_queries
where space = %(space)b
order by name;

-- name: get_saved
select name, sql, owner, changed_at
from saved_queries
where space = %(space)b and name = %(name)b;

-- name: lock_saved
-- Requests at the same time don't have more queries together than a space may have, and each sees who the other's is.
lock table saved_queries in share row exclusive mode;

-- name: put_saved
insert into saved_queries as known (space, name, sql, owner)
values (%(space)b, %(name)b, %(sql)b, %(owner)b)
on conflict (space, name) do update
set sql = excluded.sql, changed_at = now()
returning name, sql, owner, changed_at;

-- name: count_saved
select count(*)::int as queries, sum(length(sql))::int as characters from saved_queries where space = %(space)b;

-- name: delete_saved
delete from saved_queries where space = %(space)b and name = %(name)b;

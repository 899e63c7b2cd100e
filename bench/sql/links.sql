-- 100,000 links, as the events that link would have made them: every other user turns out to be the one after.
insert into links (source, alias, person, at, event_id)
select 'default', 'user_' || 2 * n - 1, 'user_' || 2 * n, now() - interval '1 year', md5('link ' || n)::uuid
from generate_series(1, 100000) as n;

analyze links;

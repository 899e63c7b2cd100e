-- visited(events): invented visits in the order they arrive, over the 395 days (13 months) before today's end. 200,000
-- users, user k drawn with a chance in proportion to 1/k; visits of 1 to 15 events, 8 on average, some 40 s apart, one in
-- ten without a session_id; 12 event types of fixed weights; 500 pages, 8 referrers, 40 countries.
create function visited(events bigint, users int default 200000)
returns table (
  user_id text, "timestamp" timestamptz, event_id uuid, event_type text, session_id text, properties jsonb
)
language sql volatile as $$
  select
    'user_' || u,
    date_trunc('day', now()) + interval '1 day' - interval '395 days' + (n::float8 * 8 / events) * interval '395 days' + step * (20 + 40 * pause) * interval '1 s',
    md5(n || ' ' || step)::uuid,
    (array['page_view', 'click', 'scroll', 'search', 'login', 'logout', 'add_to_cart', 'purchase', 'signup', 'share',
           'download', 'error'])[
      1 + width_bucket(chance * 100, array[40, 60, 72, 80, 86, 90, 93, 95.5, 97.3, 98.6, 99.5]::float8[])
    ],
    case when n % 10 > 0 then 's_' || n end,
    jsonb_build_object(
      'page', '/p/' || floor(500 ^ page)::int,
      'referrer', 'https://referrer-' || n % 8 || '.example/',
      'country', chr(65 + u % 8) || chr(65 + u % 5),
      'n', n
    )
  from (
    select
      n, step,
      first_value(floor(exp(draw * ln(users)))::int) over (partition by n) as u,
      pause, chance, page
    from (
      select n, step, random() as draw, random() as pause, random() as chance, random() as page
      from (select n, floor(random() * 15)::int as steps from generate_series(1, events / 8) as n offset 0) as visits
      cross join lateral generate_series(0, steps) as step
      offset 0  -- or the planner would call random() again wherever a column is used
    ) as drawn
  ) as visit
$$;

-- generated(events): invented events in the order they arrive, over the last 90 days. 200,000 users, user k drawn with
-- a chance in proportion to 1/k; 12 event types of fixed weights; some 85 bytes of properties.
-- The same events each time on one day: both sides hold the same rows.
create function generated(events bigint, users int default 200000)
returns table (
  user_id text, "timestamp" timestamptz, event_id uuid, event_type text, session_id text, properties jsonb
)
language sql volatile as $$
  select
    'user_' || u,
    date_trunc('day', now()) - interval '90 days' + (n::float8 / events) * interval '90 days' - lag * interval '60 s',
    md5(n::text)::uuid,
    (array['page_view', 'click', 'scroll', 'search', 'login', 'logout', 'add_to_cart', 'purchase', 'signup', 'share',
           'download', 'error'])[
      1 + width_bucket(chance * 100, array[40, 60, 72, 80, 86, 90, 93, 95.5, 97.3, 98.6, 99.5]::float8[])
    ],
    's_' || (u::bigint * 50 + n * 50 / events),
    jsonb_build_object('page_url', 'https://example.com/p/' || page, 'page_title', 'Page ' || page, 'n', n)
  from (
    select
      n,
      floor(exp(random() * ln(users)))::int as u,
      random() as chance,
      random() as lag,
      1 + floor(random() * 500)::int as page
    from generate_series(1, events) as n
    offset 0  -- or the planner would call random() again wherever a column is used
  ) as drawn
$$;

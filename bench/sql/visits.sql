-- Invented visits in the order they arrive, over the 395 days (13 months) before the end of $today, as CSV. DuckDB. 200,000 users,
-- user k drawn with a chance in proportion to 1/k; visits of 1 to 15 events, 8 on average, some 40 s apart, one in ten without a
-- session_id; 12 event types of fixed weights; 500 pages, 8 referrers, 40 countries. With $three, 60 % of the visits are of the
-- source shop, 30 % of blog, 10 % of club. What is drawn is a hash: the same events each time on one day, with any number of threads.
copy (
  select
    'user_' || u,
    strftime(
      $today::timestamp + interval '1 day' - interval '395 days'
        + to_microseconds((n::double * 8 / $events * 395 * 86400000000 + step * (20 + 40 * pause) * 1000000)::bigint),
      '%Y-%m-%d %H:%M:%S.%f+00'
    ),
    md5(n || ' ' || step)::uuid,
    case
      when chance < 40 then 'page_view'
      when chance < 60 then 'click'
      when chance < 72 then 'scroll'
      when chance < 80 then 'search'
      when chance < 86 then 'login'
      when chance < 90 then 'logout'
      when chance < 93 then 'add_to_cart'
      when chance < 95.5 then 'purchase'
      when chance < 97.3 then 'signup'
      when chance < 98.6 then 'share'
      when chance < 99.5 then 'download'
      else 'error'
    end,
    case when n % 10 > 0 then 's_' || n end,
    case when not $three then 'default' when n // 10 % 10 < 6 then 'shop' when n // 10 % 10 < 9 then 'blog' else 'club' end,
    '{"page":"/p/' || page || '","referrer":"https://referrer-' || n % 8 || '.example/","country":"'
      || chr((65 + u % 8)::int) || chr((65 + u % 5)::int) || '","n":' || n || '}'
  from (
    select
      n, step,
      floor(exp(hash(n, 'user') / 18446744073709551616 * ln(200000)))::int as u,
      hash(n, step, 'pause') / 18446744073709551616 as pause,
      hash(n, step, 'type') / 18446744073709551616 * 100 as chance,
      floor(500 ** (hash(n, step, 'page') / 18446744073709551616))::int as page
    from (select range as n, unnest(range((1 + hash(range, 'steps') % 15)::bigint)) as step from range(1, $events // 8 + 1))
  )
) to $csv (format csv, header false);

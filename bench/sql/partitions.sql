-- A partition for each month of the last :days days, and a day ahead.
do $$
declare
  month timestamptz;
begin
  for month in
    select generate_series(date_trunc('month', now() - interval ':days days'), now() + interval '1 day', '1 month')
  loop
    execute format(
      'create table %I partition of events for values from (%L) to (%L)',
      'events_' || to_char(month, 'YYYY_MM'), month, month + interval '1 month'
    );
  end loop;
end
$$;

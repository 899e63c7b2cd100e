-- What the insert keeps beside the events. Counts are as `tracker maintain` leaves them, folded into slot 0.
insert into event_counts (hour, event_type, source, slot, count)
select date_bin('1 hour', "timestamp", timestamptz '2000-01-01 00:00:00+00'), event_type, source, 0, count(*)
from events
group by 1, 2, 3
order by 1, 2, 3;

insert into users (user_id, first_seen, last_hour)
select user_id, min("timestamp"), date_bin('1 hour', max("timestamp"), timestamptz '2000-01-01 00:00:00+00')
from events
group by user_id;

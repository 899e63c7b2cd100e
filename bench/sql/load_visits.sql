-- Visits into the product's tables, with what the insert keeps beside them. Counts are as `tracker maintain` leaves them, folded.
insert into events (user_id, "timestamp", event_id, event_type, session_id, properties, source)
select user_id, "timestamp", event_id, event_type, session_id, properties, :source from visited(:events);

insert into event_counts (hour, event_type, source, slot, count)
select date_bin('1 hour', "timestamp", timestamptz '2000-01-01 00:00:00+00'), event_type, source, 0, count(*)
from events
group by 1, 2, 3
order by 1, 2, 3;

insert into users (user_id, first_seen, last_hour)
select user_id, min("timestamp"), date_bin('1 hour', max("timestamp"), timestamptz '2000-01-01 00:00:00+00')
from events
group by user_id;

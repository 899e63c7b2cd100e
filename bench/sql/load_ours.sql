-- Events straight into the product's tables, and their counts as `tracker maintain` leaves them: folded into slot 0.
insert into events (user_id, "timestamp", event_id, event_type, session_id, properties)
select user_id, "timestamp", event_id, event_type, session_id, properties from generated(:events);

insert into event_counts (hour, event_type, source, slot, count)
select date_bin('1 hour', "timestamp", timestamptz '2000-01-01 00:00:00+00'), event_type, source, 0, count(*)
from events
group by 1, 2, 3;

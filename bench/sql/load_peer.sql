insert into events (user_id, event_type, "timestamp", session_id, properties)
select user_id, event_type, "timestamp", session_id, properties from generated(:events);

-- GET /events/live asks for what was stored lately: some kilobytes, since rows lie in the order they were stored.
-- Inserts wait while it is built: some seconds for 10 million events.
create index events_received_at_brin on events using brin (received_at) with (autosummarize = on);

-- name: list_rejections
-- A page, the newest first: at least one event, and no more than `bytes` together.
select id, source, received_at, reason, detail, event_type, user_id, payload, is_whole, replay_requested_at, client
from (
  select *, sum(octet_length(payload) + octet_length(detail::text)) over newest as bytes, row_number() over newest as place
  from (
    select id, source, received_at, reason, detail, event_type, user_id, payload, is_whole, replay_requested_at, client
    from rejections
    where (%(sources)s::text[] is null or source = any(%(sources)s::text[]))
      and (%(reason)s::text is null or reason = %(reason)s)
      and (%(event_type)s::text is null or event_type = %(event_type)s)
      and (%(user_id)s::text is null or user_id = %(user_id)s)
      and (%(before)s::uuid is null or id < %(before)s::uuid)
    order by id desc
    limit %(limit)s
  ) as page
  window newest as (order by id desc)
) as counted
where bytes <= %(bytes)s or place = 1
order by id desc;

-- name: count_rejections
select source, event_type, reason, count(*), count(replay_requested_at), min(received_at), max(received_at)
from rejections
where %(sources)s::text[] is null or source = any(%(sources)s::text[])
group by 1, 2, 3
order by count(*) desc, 1, 2, 3;

-- name: request_replay
-- Events that a collector has locked are skipped. Events that were cut off can't be replayed.
update rejections
set replay_requested_at = now()
where id in (
  select id
  from rejections
  where source = %(source)s
    and (%(reason)s::text is null or reason = %(reason)s)
    and (%(event_type)s::text is null or event_type = %(event_type)s)
    and (%(ids)s::uuid[] is null or id = any(%(ids)s::uuid[]))
    and is_whole
    and replay_requested_at is null
  for update skip locked
)
returning id;

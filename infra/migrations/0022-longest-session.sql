-- Where sessions begin that may only last so long. As a window function over the events of a session, in the order of time, it
-- says when the part of the session began that an event lies in: the first event later than the maximum after that begins the
-- next part. Each part depends on the one before, so that no window function of SQL can say it.

create function next_session_start (start timestamptz, "timestamp" timestamptz, longest interval) returns timestamptz
language plpgsql immutable strict parallel safe as $$
begin
  return case when "timestamp" - start > longest then "timestamp" else start end;
end
$$;

create aggregate session_start ("timestamp" timestamptz, longest interval) (
  sfunc = next_session_start,
  stype = timestamptz,
  parallel = safe
);

comment on aggregate session_start (timestamptz, interval) is 'When the session began, once it is cut at the maximum (docs/definitions.md). Takes the times in order.';

-- Also where functions aren't everybody's by default.
grant execute on function next_session_start (timestamptz, timestamptz, interval), session_start (timestamptz, interval) to query;

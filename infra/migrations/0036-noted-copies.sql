-- An erasure is noted for everybody who has copies of events: storers, relays, a lake. A query service of 0.2.0 knows of none of them. Its
-- erasures are refused where there are any: what it erases would come back, and nobody would know.
--
-- Who notes erasures says so in the transaction, by the setting event_tracker.notes_copies.

create function require_noted_copies () returns trigger language plpgsql as $$
begin
  if coalesce(current_setting('event_tracker.notes_copies', true), '') <> 'on'
    and (exists (select from topics) or exists (select from relays where erasures) or exists (select from archived_days))
  then
    raise feature_not_supported using
      message = 'this query service is of an older release: it doesn''t tell storers, relays and the lake whom it erases',
      hint = 'Nothing was erased. Replace all query services, and erase again.';
  end if;
  return null;
end
$$;

create trigger require_noted_copies before insert on erasures for each statement execute function require_noted_copies();

grant select on archived_days to control;

-- name: as_of
-- What was committed by then is visible. On a standby that is the time of the last commit that it has replayed; or, if it has
-- replayed all that the primary had written when it sent its last message, the time of that message: an idle primary
-- commits nothing for long. A message doesn't tell of what was committed and isn't written to the log yet: with
-- synchronous_commit = off the WAL writer does that within three times wal_writer_delay (the standby's is taken for the primary's,
-- and a second is allowed for its work). Only members of pg_read_all_stats see these messages; to others the standby looks older
-- than it is, never newer. A standby that has replayed no commit since its start has at least all from before its last checkpoint.
select case
  when not pg_is_in_recovery() then now()
  else greatest(
    coalesce(pg_last_xact_replay_timestamp(), (select checkpoint_time from pg_control_checkpoint())),
    (
      select last_msg_send_time - 3 * current_setting('wal_writer_delay')::interval - interval '1 second'
      from pg_stat_wal_receiver
      where latest_end_lsn <= pg_last_wal_replay_lsn()
    )
  )
end;

-- name: state
-- Whether this is a standby; how many synchronous standbys a commit waits for, and how many are connected (null for who isn't
-- a member of pg_read_all_stats); on a standby, for how many seconds nothing newer is known to have been committed and replayed.
-- And how many rows the default partition has, as autovacuum has last seen it.
select
  pg_is_in_recovery(),
  case
    when current_setting('synchronous_standby_names') = '' then 0
    else coalesce(substring(current_setting('synchronous_standby_names') from '(?i)^\s*(?:any|first)?\s*(\d+)\s*\(')::int, 1)
  end,
  case
    when pg_has_role('pg_read_all_stats', 'usage')
    then (select count(*) from pg_stat_replication where sync_state in ('sync', 'quorum'))
  end,
  coalesce((select greatest(0, reltuples) from pg_class where oid = to_regclass('events_default')), 0);

-- Retention deletes users after their events, in transactions of their own: then neither event_counts nor block_epochs tell that
-- users were first seen at other times than before. Answers that are kept by their entity tag ask for this, too.

create table user_epochs (
  only_row boolean not null default true,
  epoch    bigint  not null,

  constraint user_epochs_pkey     primary key (only_row),
  constraint user_epochs_only_row check (only_row)
);

comment on column user_epochs.epoch is 'How often users were deleted, or added after their events.';

insert into user_epochs (epoch) values (0);

create function count_deleted_users () returns trigger language plpgsql as $$
begin
  if exists (select from deleted) then
    insert into user_epochs as known (epoch) values (1) on conflict (only_row) do update set epoch = known.epoch + 1;
  end if;
  return null;
end
$$;

create trigger users_deleted after delete on users
referencing old table as deleted for each statement execute function count_deleted_users();

grant select on user_epochs to query;
grant select, insert, update on user_epochs to control;
grant execute on function count_deleted_users () to control;

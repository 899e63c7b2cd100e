-- What keeps a stolen refresh token from going unnoticed, and a password for one sign-in from being one for ever.

-- All refresh tokens of a sign-in begin with the same digits, which nobody else knows: a token that begins so and is neither
-- the newest nor the one before, in its grace, was used before, however long ago. The release before writes neither column.
alter table sign_ins add column family_hash bytea;
alter table sign_ins add column renewal_salt bytea;

comment on column sign_ins.family_hash is 'SHA-256 of what all its refresh tokens begin with: the prefix and 12 digits. Null: not renewed since the release before.';
comment on column sign_ins.renewal_salt is 'The newest token is made of it and the one before, so that an answer that was lost can be given again.';

-- What was given out before counts for a day more.
alter table people add column one_time_until timestamptz not null default now() + interval '24 hours';

comment on column people.one_time is 'The password is for one sign-in, and is gone then. It stays set until the person has set another.';
comment on column people.one_time_until is 'Until when such a password counts, and another can be set in its place.';

-- What keeps a stolen refresh token from going unnoticed.

-- All refresh tokens of a sign-in begin with the same digits, which nobody else knows: a token that begins so and is neither
-- the newest nor the one before, in its grace, was used before, however long ago. The release before writes neither column.
alter table sign_ins add column family_hash bytea;
alter table sign_ins add column renewal_salt bytea;

comment on column sign_ins.family_hash is 'SHA-256 of what all its refresh tokens begin with: the prefix and 12 digits. Null: not renewed since the release before.';
comment on column sign_ins.renewal_salt is 'The newest token is made of it and the one before, so that an answer that was lost can be given again.';

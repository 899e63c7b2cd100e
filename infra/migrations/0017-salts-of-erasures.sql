-- Erasures of one hour share a salt: with one each, collectors had to hash every refused event once for every erasure.
-- `control`, which makes the salts, looks for the one of this hour; hashes it can't read, as before.

grant select (salt) on recent_erasures to control;

comment on column recent_erasures.salt is 'Random; shared by the erasures of an hour.';

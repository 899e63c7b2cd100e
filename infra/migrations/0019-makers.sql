-- What keeps one sign-in from guessing its person's password.

alter table sign_ins add column wrong_passwords integer not null default 0;

comment on column sign_ins.wrong_passwords is 'How often POST /auth/password was given a wrong current password by this sign-in.';

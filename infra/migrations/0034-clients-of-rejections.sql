-- Which program sent a refused event, so that its owner knows where to look. Null: not known, or a browser.
-- A column without a default is added at once, however many rows there are; collectors and storers of the release before leave it null.
alter table rejections add column client text;

comment on column rejections.client is 'Name and version of the library or program that sent it, as it said itself.';

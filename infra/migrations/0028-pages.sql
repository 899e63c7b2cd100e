-- What pages of web sites are called: a title and a category by host and path, which people set (/admin/sources/{name}/pages). Questions
-- about page views list them by these; no event is changed.

create table pages (
  source     text        collate "C" not null,
  host       text        collate "C" not null default '',
  path       text        collate "C" not null,
  title      text,
  category   text,
  changed_at timestamptz             not null default now(),

  constraint pages_pkey     primary key (source, host, path),
  constraint pages_source   foreign key (source) references sources (name) on delete cascade,
  constraint pages_not_null check (title is not null or category is not null)
);

comment on table  pages      is 'Titles and categories of web pages.';
comment on column pages.host is 'The property host of page views; the empty text is any host that has no row of its own for the path.';
comment on column pages.path is 'The property page of page views.';

grant select on pages to query;
grant select, insert, update, delete on pages to control;

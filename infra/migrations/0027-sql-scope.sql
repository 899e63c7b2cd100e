-- Tokens may have the scope sql: statements of one's own over the events that one may see (docs/sql.md).

alter table api_tokens
  drop constraint api_tokens_scopes,
  add constraint api_tokens_scopes
    check (scopes <@ array['read_events', 'read_stats', 'export', 'sql', 'admin'] and cardinality(scopes) > 0);

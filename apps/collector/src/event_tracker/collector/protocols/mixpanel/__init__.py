"""Mixpanel's ingestion API: `/import` and `/track` by POST (docs/clients/mixpanel.md)."""

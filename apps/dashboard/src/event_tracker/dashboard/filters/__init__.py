"""The filters that all pages share: range of time, sources, event types."""

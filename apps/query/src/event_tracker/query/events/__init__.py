"""Queries of events: pages, the most frequent types, exports and live streams."""

"""Retention: which events are too old, and their deletion, with what the lake has of them."""

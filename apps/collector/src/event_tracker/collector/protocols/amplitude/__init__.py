"""Amplitude's HTTP V2 API (docs/clients/amplitude.md)."""

"""Logs of OpenTelemetry by OTLP/HTTP (docs/clients/opentelemetry.md)."""

"""CloudEvents over HTTP (docs/clients/cloudevents.md)."""

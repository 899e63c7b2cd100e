"""The scenarios: one business each."""

"""Questions about users over time: who is active, who is new, who comes back, and whose events are selected."""

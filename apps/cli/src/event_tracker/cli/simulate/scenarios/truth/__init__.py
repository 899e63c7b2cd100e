"""The right answers about a plan, worked out from the plan alone."""

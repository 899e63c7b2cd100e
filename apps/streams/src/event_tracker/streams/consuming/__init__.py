"""What every consumer of a topic has: its group, its positions, its loop, its metrics, and its end."""

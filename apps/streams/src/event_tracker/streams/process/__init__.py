"""What every process of streams has: its settings, its signals, its metrics port, and the error message that it exits with."""

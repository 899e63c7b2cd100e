"""What every process of streams has: its settings, its signals, its metrics port, and the sentence that it ends with."""

"""Who asks, and what they may see: tokens of programs, people who sign in, and the guard in front of every path."""

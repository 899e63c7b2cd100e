"""What the questions to the engine share: the selected events, sessions and intervals in its SQL, and who asks it."""

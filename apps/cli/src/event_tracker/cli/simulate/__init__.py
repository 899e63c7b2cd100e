"""`tracker simulate`: send simulated events. `tracker verify`: check the answers about them."""

"""`tracker simulate`: send simulated events. `tracker check-truth`: check the answers about them."""

"""`tracker up`: everything on this machine."""

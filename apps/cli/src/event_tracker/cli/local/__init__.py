"""`tracker up`: run everything on this machine."""

"""Ways in for programs that people have already: their messages become our events, our outcome their answer (docs/clients)."""

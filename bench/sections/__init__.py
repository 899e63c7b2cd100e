"""The parts of the table, one a module: each starts its contenders, lets them compete, and stops them."""

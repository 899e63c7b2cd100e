"""From a request's body to rows, or to every error in it."""

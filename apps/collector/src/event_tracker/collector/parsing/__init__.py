"""Turns a request's body into rows, or into every error in it."""

"""Authentication and authorisation: API tokens, sign-ins of the staff, and the guard that checks every request."""

"""Authentication and authorisation: API tokens, sign-ins of people, and the guard that checks every request."""

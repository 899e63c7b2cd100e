"""Who may ask and manage, under /admin: people who sign in, and API tokens."""

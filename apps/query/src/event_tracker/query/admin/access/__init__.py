"""Who may ask and manage, under /admin: the staff, who sign in, and API tokens."""

"""The pages, one in each file. `show` draws the page, for the chosen filters."""

"""One page a file; `show` draws it for the filters chosen."""

"""The pages about a web site: its page views, their visitors, and where those come from."""

PAGE_VIEW = "page_view"
"""The event type of page views."""

"""What each analytics answer must be, computed from a list of events by docs/definitions.md: plain, slow, in Python alone.

Nothing here reads the service's SQL. One file a question, each with one function `answer(events, ...)`; times in the
answers are datetimes in the asked zone.
"""

"""The reference: computes each answer from a list of events as docs/definitions.md defines it, slowly, in pure Python.

Nothing here reads the service's SQL. One file a question, each with one function `answer(events, ...)`; times in the
answers are datetimes in the asked zone.
"""

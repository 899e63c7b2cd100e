"""The questions that the engine answers: for each its parameters, its SQL and its answer, in a pair of files to read top to bottom.

All functions `read_…` raise Problem: 400 or 422 with all errors.
"""

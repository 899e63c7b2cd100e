"""The chaos run: everything at once on real processes, while things break, and then nothing may be lost, doubled or miscounted.

`python -m chaos --seed 7 --seconds 120`, or `make chaos`. plan.py says what a run does; run.py does it.
"""

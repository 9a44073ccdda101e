"""Watches: statistical tests that run on the decision log of a system, or on numbers that are pushed."""

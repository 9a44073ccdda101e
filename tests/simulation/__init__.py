"""The deterministic simulation: a whole installation in one process, under a virtual clock and seeded faults.

How it works, and what it cannot find: docs/explanation/simulation.md. To replay a seed: `andon sim --seed N`.
"""

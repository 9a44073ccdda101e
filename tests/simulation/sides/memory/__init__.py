"""The simulation's kind of lever."""

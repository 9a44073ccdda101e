"""The clockwork: finds due work in the tables and does it; one loop, one module per kind of work."""

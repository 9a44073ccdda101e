"""Runbooks: what is prescribed, what was done, and what a run taught."""

"""Andon: AI incident response made executable."""

__version__ = "0.1.0"

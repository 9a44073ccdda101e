"""Levers: prepared containment actions of a system, pulled in seconds, seen to work where decisions are made."""

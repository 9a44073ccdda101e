"""A command of this machine that its administrator allowed."""

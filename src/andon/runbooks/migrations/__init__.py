"""The structure of this slice's tables, the same on both databases."""

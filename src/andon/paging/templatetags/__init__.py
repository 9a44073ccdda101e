"""Template tags of paging."""

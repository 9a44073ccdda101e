"""Pages of on call."""

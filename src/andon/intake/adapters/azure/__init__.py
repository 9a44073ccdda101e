"""Azure Monitor."""

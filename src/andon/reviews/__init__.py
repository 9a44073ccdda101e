"""What was learned from an incident, and what is done about it."""

"""What runs, who answers for it, what it stands on, and whether it is ready."""

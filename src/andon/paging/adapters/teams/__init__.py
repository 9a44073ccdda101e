"""Pages to Microsoft Teams, through a workflow."""

"""Pages as direct messages in Slack, with buttons."""

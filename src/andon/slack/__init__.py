"""Slack beyond the page: buttons and notes that come back, messages that keep up, and a channel for each incident."""

"""Pages by ntfy, to the app on a phone."""

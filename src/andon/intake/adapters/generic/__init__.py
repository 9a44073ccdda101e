"""Plain JSON, for anything that can send an HTTP request."""

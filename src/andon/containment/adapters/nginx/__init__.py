"""The route of an nginx: the servers of an upstream."""

"""The configuration of an application on Ray Serve."""

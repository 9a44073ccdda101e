"""The route of an Envoy that reads its clusters or routes from a file."""

"""A signed webhook that pulls the lever on the other side."""

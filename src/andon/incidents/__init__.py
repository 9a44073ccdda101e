"""The incident, its types and severity, its roles, and its timeline."""

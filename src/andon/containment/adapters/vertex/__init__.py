"""The traffic split of a Vertex AI endpoint."""

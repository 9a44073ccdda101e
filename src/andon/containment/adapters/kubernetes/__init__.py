"""The rollout of a Kubernetes deployment, undone."""

"""The weights of a SageMaker endpoint."""

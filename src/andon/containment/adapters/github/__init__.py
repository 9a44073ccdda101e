"""A workflow of GitHub Actions that contains."""

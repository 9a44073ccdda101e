"""MLflow's registry."""

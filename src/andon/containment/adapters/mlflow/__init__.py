"""The alias of a registered model in MLflow, and the version that is served."""

"""E-mail, for what can send nothing else."""

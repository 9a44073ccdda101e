"""The statistics: numpy in, verdicts out."""

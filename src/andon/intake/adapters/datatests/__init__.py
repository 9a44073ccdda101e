"""Results of data tests."""

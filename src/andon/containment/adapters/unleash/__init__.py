"""A flag of Unleash, and what its evaluation says."""

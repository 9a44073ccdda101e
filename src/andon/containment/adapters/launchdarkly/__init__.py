"""A flag of LaunchDarkly."""

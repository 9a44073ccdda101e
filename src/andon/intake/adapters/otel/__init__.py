"""OpenTelemetry's evaluations of generative AI."""

"""The canary of a KServe inference service."""

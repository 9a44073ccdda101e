"""Prometheus Alertmanager, webhook version 4."""

"""Grafana's alerting, by its webhook contact point."""

"""Opsgenie's alert API: what can call Opsgenie can call Andon."""

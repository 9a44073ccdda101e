"""Andon's own kill switch."""

"""Pages by the many services that Apprise knows."""

"""Every page: queued with its step, sent at least once, acknowledged from its link, cancelled in time."""

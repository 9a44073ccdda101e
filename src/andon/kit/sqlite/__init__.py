"""Django's SQLite backend, with writers who take turns; named as the engine in the settings."""

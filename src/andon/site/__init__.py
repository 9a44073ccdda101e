"""Where the house is put together: settings, addresses, the ASGI application."""

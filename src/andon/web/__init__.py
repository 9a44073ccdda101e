"""The shell of the pages: base template, components, stylesheet, home, live updates."""

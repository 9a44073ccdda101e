"""The handbook: the practice that ships with Andon, as YAML and Markdown, and what reads it."""

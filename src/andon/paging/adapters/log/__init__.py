"""Pages into Andon's own log, for trying out."""

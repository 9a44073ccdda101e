"""What is of no noun: clock, ids, encryption, Markdown, charts, the two databases, safe outbound HTTP."""

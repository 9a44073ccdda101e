"""Pages by e-mail, over the mail server in ANDON_SMTP_URL."""

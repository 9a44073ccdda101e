"""Pages by text message, through Twilio or whatever speaks as Twilio does."""

"""Pages by phone call, through the account for text messages."""

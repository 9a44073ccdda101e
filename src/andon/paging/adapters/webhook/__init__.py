"""Pages by webhook, signed by the Standard Webhooks scheme."""

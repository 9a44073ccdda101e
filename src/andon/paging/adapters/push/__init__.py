"""Pages as notifications of a browser, by Web Push."""

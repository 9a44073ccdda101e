"""Words that the pages of on call need."""

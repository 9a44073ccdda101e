"""PagerDuty's Events API, version 2: what can page PagerDuty can page Andon."""

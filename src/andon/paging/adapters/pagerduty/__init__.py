"""Pages to PagerDuty, for those who are on call there."""

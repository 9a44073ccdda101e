"""Amazon SNS, and CloudWatch through it."""

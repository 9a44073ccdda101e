"""Who is on call when, and in which order people are asked."""

"""`andon demo`: one incident, from a real alert to its review, on a small believable organisation of its own."""

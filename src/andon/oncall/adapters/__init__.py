"""Where on call talks to the outside."""

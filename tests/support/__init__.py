"""What tests share: the cast, the clock, the browser."""

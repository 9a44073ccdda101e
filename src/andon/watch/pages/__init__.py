"""Pages of decision logs and of the watches on them."""

"""Read lines of text in pictures."""

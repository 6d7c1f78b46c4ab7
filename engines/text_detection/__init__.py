"""Finds text in pictures."""

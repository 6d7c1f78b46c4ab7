"""Filters of gray images: speckle, noise, contrast."""

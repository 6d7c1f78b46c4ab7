"""Decodes and converts pixels for all sources."""

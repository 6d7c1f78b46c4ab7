"""Holds filters of gray images against speckle and noise, and for contrast."""

"""Calibrates how familiar a picture is to a network, and measures how well that works."""

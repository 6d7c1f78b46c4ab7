"""Measures how well a network follows an object that a prompt points at, beside optical flow and a copied mask."""

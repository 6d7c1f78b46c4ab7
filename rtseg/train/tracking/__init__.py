"""Trains the network that follows whatever a prompt points at."""

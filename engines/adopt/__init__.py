"""Examines the networks of other tools: how they take a picture, and what their answer means."""

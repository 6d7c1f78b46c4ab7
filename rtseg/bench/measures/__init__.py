"""Measures how right and how cheap the measures are: on phantoms with exact truth, and in one run of a model."""

"""Diagnoses this installation and video sources."""

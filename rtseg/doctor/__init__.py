"""Diagnosis of this installation and of a source."""

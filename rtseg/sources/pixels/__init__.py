"""Decoding and conversion of pixels, shared by the sources."""

"""Lossless recording of a stream, for replay."""

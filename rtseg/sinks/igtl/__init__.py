"""Serve frames, labels and measurements over OpenIGTLink."""

from rtseg.sinks.igtl.sink import IgtlSink

__all__ = ["IgtlSink"]

"""An OpenIGTLink server that sends frames, labels and measurements."""

from rtseg.sinks.igtl.sink import IgtlSink

__all__ = ["IgtlSink"]

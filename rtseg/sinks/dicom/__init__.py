"""Write a stream as DICOM objects: the redacted recording, and the segmentation that refers to it."""

from rtseg.sinks.dicom.sink import DicomSink

__all__ = ["DicomSink"]

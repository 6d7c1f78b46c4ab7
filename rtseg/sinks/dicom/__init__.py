"""Write a stream as DICOM objects: the redacted recording, and the segmentation that refers to it."""

from rtseg.sinks.dicom.segment_frames import SegmentationType
from rtseg.sinks.dicom.sink import DicomFiles, DicomSink

__all__ = ["DicomFiles", "DicomSink", "SegmentationType"]

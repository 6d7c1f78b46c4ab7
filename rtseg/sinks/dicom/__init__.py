"""Write a stream as DICOM objects: the redacted recording, its masks and its measures."""

from rtseg.sinks.dicom.measure_log import ReportedFrames
from rtseg.sinks.dicom.segment_frames import SegmentationType
from rtseg.sinks.dicom.sink import DicomFiles, DicomSink

__all__ = ["DicomFiles", "DicomSink", "ReportedFrames", "SegmentationType"]

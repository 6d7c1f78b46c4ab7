"""Write a report of a scan: curves, best frames and a table of the measures, as one HTML file."""

from rtseg.sinks.report.sink import ReportSink

__all__ = ["ReportSink"]

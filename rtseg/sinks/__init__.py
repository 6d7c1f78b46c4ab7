"""Write or show results: a clip, label maps, measurements, a page in the browser, a window, a preview."""

from rtseg.sinks.base import Sink
from rtseg.sinks.csv_file import CsvSink
from rtseg.sinks.igtl.sink import IgtlSink
from rtseg.sinks.jsonl import JsonSink
from rtseg.sinks.masks import MaskSink
from rtseg.sinks.preview import DrawSink
from rtseg.sinks.video.sink import VideoSink
from rtseg.sinks.view.sink import ViewSink
from rtseg.sinks.window import WindowSink

__all__ = ["CsvSink", "DrawSink", "IgtlSink", "JsonSink", "MaskSink", "Sink", "VideoSink", "ViewSink", "WindowSink"]

"""Where results go: a clip, label maps, figures, a page in the browser, a window, a preview."""

from rtseg.sinks.base import Sink
from rtseg.sinks.draw import DrawSink
from rtseg.sinks.igtl import IgtlSink
from rtseg.sinks.jsonl import JsonSink
from rtseg.sinks.masks import MaskSink
from rtseg.sinks.video import VideoSink
from rtseg.sinks.view import ViewSink
from rtseg.sinks.window import WindowSink

__all__ = ["DrawSink", "IgtlSink", "JsonSink", "MaskSink", "Sink", "VideoSink", "ViewSink", "WindowSink"]

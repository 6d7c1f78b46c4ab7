"""Where results go: a clip, label maps, figures, a preview."""

from rtseg.sinks.base import Sink
from rtseg.sinks.draw import DrawSink
from rtseg.sinks.jsonl import JsonSink
from rtseg.sinks.masks import MaskSink
from rtseg.sinks.video import VideoSink

__all__ = ["DrawSink", "JsonSink", "MaskSink", "Sink", "VideoSink"]

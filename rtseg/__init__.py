"""Segment live ultrasound video in real time, with a memory of earlier frames.

Research software, not a medical device. The names below are imported on first use, so that importing a small part of rtseg
does not import an engine.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rtseg.engines.load import load_engine
    from rtseg.errors import RtsegError
    from rtseg.frame import Frame, Segmentation, StreamInfo
    from rtseg.overlay import Overlay
    from rtseg.pipeline import Pipeline
    from rtseg.session.prompts import Prompt
    from rtseg.session.session import Session
    from rtseg.sinks.jsonl import JsonSink
    from rtseg.sinks.masks import MaskSink
    from rtseg.sinks.video.sink import VideoSink
    from rtseg.sources import open_source
    from rtseg.trace import LatencyReport, LatencyTrace

_HOMES = {
    "Frame": "frame",
    "JsonSink": "sinks.jsonl",
    "LatencyReport": "trace",
    "LatencyTrace": "trace",
    "MaskSink": "sinks.masks",
    "Overlay": "overlay",
    "Pipeline": "pipeline",
    "Prompt": "session.prompts",
    "RtsegError": "errors",
    "Segmentation": "frame",
    "Session": "session",
    "StreamInfo": "frame",
    "VideoSink": "sinks.video",
    "load_engine": "engines.load",
    "open_source": "sources",
}

__all__ = [
    "Frame",
    "JsonSink",
    "LatencyReport",
    "LatencyTrace",
    "MaskSink",
    "Overlay",
    "Pipeline",
    "Prompt",
    "RtsegError",
    "Segmentation",
    "Session",
    "StreamInfo",
    "VideoSink",
    "load_engine",
    "open_source",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'rtseg' has no attribute {name!r}")
    return getattr(import_module(f"rtseg.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)

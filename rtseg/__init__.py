"""Segment live ultrasound video in real time, with a memory of earlier frames.

Research software, not a medical device. The names below are imported on first use, so that importing a small part of rtseg
does not import an engine.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rtseg.engines.load import load_engine
    from rtseg.engines.model_spec import ModelSpec
    from rtseg.errors import RtsegError
    from rtseg.frame import Frame, Segmentation, StreamInfo
    from rtseg.overlay import Overlay
    from rtseg.pipeline import Pipeline, Policy
    from rtseg.result import Result
    from rtseg.session.prompts import Prompt
    from rtseg.session.session import Session
    from rtseg.session.settings import SessionSettings
    from rtseg.sinks.base import Sink
    from rtseg.sinks.jsonl import JsonSink
    from rtseg.sinks.masks import MaskSink
    from rtseg.sinks.video.sink import VideoSink
    from rtseg.sources import Source, open_source
    from rtseg.sources.live.push import PushSource
    from rtseg.trace import LatencyReport, LatencyTrace

    __version__: str

_HOMES = {
    "Frame": "frame",
    "JsonSink": "sinks.jsonl",
    "LatencyReport": "trace",
    "LatencyTrace": "trace",
    "MaskSink": "sinks.masks",
    "ModelSpec": "engines.model_spec",
    "Overlay": "overlay",
    "Pipeline": "pipeline",
    "Policy": "pipeline",
    "Prompt": "session.prompts",
    "PushSource": "sources.live.push",
    "Result": "result",
    "RtsegError": "errors",
    "Segmentation": "frame",
    "Session": "session",
    "SessionSettings": "session",
    "Sink": "sinks.base",
    "Source": "sources.base",
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
    "ModelSpec",
    "Overlay",
    "Pipeline",
    "Policy",
    "Prompt",
    "PushSource",
    "Result",
    "RtsegError",
    "Segmentation",
    "Session",
    "SessionSettings",
    "Sink",
    "Source",
    "StreamInfo",
    "VideoSink",
    "load_engine",
    "open_source",
]


if not TYPE_CHECKING:  # else a type checker would take every name for one of rtseg

    def __getattr__(name: str) -> Any:
        if name == "__version__":
            return import_module("importlib.metadata").version("rtseg")
        if name not in _HOMES:
            raise AttributeError(f"module 'rtseg' has no attribute {name!r}")
        return getattr(import_module(f"rtseg.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])

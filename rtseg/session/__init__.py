"""Segments one stream with one engine, frame by frame, and holds the rules for each frame and its mask."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rtseg.session.session import Session
    from rtseg.session.settings import SessionSettings

_HOMES = {"Session": "session", "SessionSettings": "settings"}

__all__ = ["Session", "SessionSettings"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:  # imported on first use, since a session imports the engines and kernels
        return getattr(import_module(f"rtseg.session.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

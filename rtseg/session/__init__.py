"""Segments one stream with one engine, frame by frame, and holds the rules for each frame and its mask."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rtseg.session.session import Session

__all__ = ["Session"]


def __getattr__(name: str) -> Any:
    if name == "Session":  # imported on first use, since a session imports the engines and kernels
        from rtseg.session.session import Session

        return Session
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""One stream through one engine, frame by frame: the session, and what decides about each frame and its mask."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rtseg.session.session import Session

__all__ = ["Session"]


def __getattr__(name: str) -> Any:
    if name == "Session":  # loaded when it is used: a session brings the engines and kernels
        from rtseg.session.session import Session

        return Session
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

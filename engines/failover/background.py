"""Defines how an engine that is built in the background is opened."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from rtseg.engines.base import Engine


@runtime_checkable
class BackgroundBuild(Protocol):
    """Describes an engine that is being built in the background."""

    name: str

    def ready(self) -> Engine | None:
        """Return the engine once it is built, else None. Raises RtsegError where the build failed."""

    def accept(self) -> None:
        """Record that the engine passed its shadow run and takes over."""

    def close(self) -> None:
        """Cancel the build."""


Opener = tuple[str, Callable[[], Engine | BackgroundBuild]]  # an engine's name and the function that opens it

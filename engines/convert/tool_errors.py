"""The stages of making a file of somebody's network: whatever a network or a tool raises there is said in one line."""

from collections.abc import Iterator
from contextlib import contextmanager

from rtseg.errors import ModelError, RtsegError


@contextmanager
def stage(failed: str, remedy: str) -> Iterator[None]:
    """Turn what is raised within into a ModelError: what `failed`, the cause in a line, the remedy; rtseg's own errors pass."""
    try:
        yield
    except RtsegError:
        raise
    except Exception as error:  # others' code raises whatever it likes
        raise ModelError(f"{failed} ({cause(error)}): {remedy}") from error


def cause(error: Exception) -> str:
    """The first line of a message; of TorchScript's, which begins with its own stack, the last."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return lines[-1] if any("TorchScript" in line for line in lines) else lines[0].rstrip(":")

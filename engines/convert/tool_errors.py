"""Converts exceptions of third-party networks and tools into ModelErrors of one line."""

from collections.abc import Iterator
from contextlib import contextmanager

from rtseg.errors import ModelError, RtsegError


@contextmanager
def as_model_error(failed: str, remedy: str) -> Iterator[None]:
    """Convert an exception in the body into a ModelError "`failed` (cause): `remedy`"; rtseg's own errors pass unchanged.

    A missing package, which a network may import when it first runs, has its own remedy.
    """
    try:
        yield
    except RtsegError:
        raise
    except ImportError as error:
        raise ModelError(f"{failed} ({cause_line(error)}): install the package that it imports") from error
    except Exception as error:  # third-party code can raise anything
        raise ModelError(f"{failed} ({cause_line(error)}): {remedy}") from error


def cause_line(error: Exception) -> str:
    """Return the first line of an error message; the last line for TorchScript, whose messages begin with a stack trace."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return lines[-1] if any("TorchScript" in line for line in lines) else lines[0].rstrip(":")

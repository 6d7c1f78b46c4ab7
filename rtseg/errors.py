"""Errors that rtseg raises: each says what went wrong and how to mend it, and has a builtin parent."""

from rtseg.text.safe_text import safe_text


class RtsegError(Exception):
    """Parent of every error that rtseg raises on purpose; its text is one line, printable, and without credentials."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*(safe_text(one) if isinstance(one, str) else one for one in arguments))


class SourceError(RtsegError, OSError):
    """A source cannot be opened, or broke while it was read."""


class SourceNotFound(SourceError, FileNotFoundError):
    """There is nothing at the place a source was named by."""


class MessageError(RtsegError, ValueError):
    """A message of a network protocol is not what the protocol says."""


class ImageError(RtsegError, ValueError):
    """An image has a shape, a dtype or values that rtseg does not take."""


class ModelError(RtsegError, ValueError):
    """A model file is missing, broken, or lacks what rtseg needs to run it."""


class EngineError(RtsegError, RuntimeError):
    """An engine failed while it ran."""


class SinkError(RtsegError, OSError):
    """A sink cannot be opened or written to; what was written before is kept."""


class DatasetError(RtsegError, ValueError):
    """A folder of images and masks is not laid out as rtseg reads it."""


class ConfigError(RtsegError, ValueError):
    """A setting is unknown or out of range."""


class UnknownClass(RtsegError, KeyError):
    """A class was asked for that the model does not have."""

    def __str__(self) -> str:
        return str(self.args[0])


class SpacingUnknown(RtsegError, LookupError):
    """Millimetres were asked for and the size of a pixel is not known."""


class MissingExtra(RtsegError, ImportError):
    """An optional package is needed: the message names the extra that brings it."""

    def __init__(self, needed_for: str, extra: str) -> None:
        super().__init__(f"{needed_for} needs an optional package: pip install 'rtseg[{extra}]'")
        self.extra = extra


class GateRefusal(RtsegError, ValueError):
    """A converted engine does not answer as the one it was made from."""


class ViewerRefused(RtsegError, ConnectionError):
    """Somebody wants to watch, or to begin a session, and there is no place left."""


class ReportError(RtsegError, ValueError):
    """A benchmark's report cannot be read, or is of something else than the one it is compared with."""


class MeterAbsent(RtsegError, LookupError):
    """A sensor of power or temperature is not there, or not ours to read."""


def described(error: Exception) -> str:
    """Return an error of Python's own as `repr` has it, but without the whole file that a UnicodeDecodeError holds."""
    return f"{type(error).__name__}: {error}" if isinstance(error, UnicodeError) else repr(error)

"""Define the errors that rtseg raises: each names the fault and the remedy, and has a builtin parent."""

from collections.abc import Iterable

from rtseg.text.safe_text import safe_text


class RtsegError(Exception):
    """Serves as the parent of every error that rtseg raises on purpose; its text is one printable line without credentials."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*(safe_text(one) if isinstance(one, str) else one for one in arguments))


class SourceError(RtsegError, OSError):
    """Reports a source that cannot be opened, or that broke while it was read."""


class SourceNotFound(SourceError, FileNotFoundError):
    """Reports that nothing exists at the path or address of a source."""


class MessageError(RtsegError, ValueError):
    """Reports a network message that violates its protocol."""


class ImageError(RtsegError, ValueError):
    """Reports an image whose shape, dtype or values rtseg does not take."""


class ModelError(RtsegError, ValueError):
    """Reports a model file that is missing or broken, or that lacks what rtseg needs to run it."""


class EngineError(RtsegError, RuntimeError):
    """Reports an engine that failed while it ran."""


class EngineTimeout(EngineError):
    """Reports an engine whose call did not return in time; the call may still be running in a thread that was given up."""


class SinkError(RtsegError, OSError):
    """Reports a sink that cannot be opened or written to; earlier output is kept."""


class DatasetError(RtsegError, ValueError):
    """Reports a folder of images and masks whose layout rtseg cannot read."""


class ConfigError(RtsegError, ValueError):
    """Reports a setting that is unknown or out of range."""


class StreamRefused(RtsegError, RuntimeError):
    """Reports a stream that was not started, since the machine has no time or memory left for it beside the others."""


class PluginError(RtsegError, RuntimeError):
    """Reports a plug-in of another package that cannot be loaded, or that failed."""


class WrongArgument(RtsegError, TypeError):
    """Reports an argument that is no object of the expected kind, such as an array in place of a `Frame`."""


class UnknownClass(RtsegError, KeyError):
    """Reports a request for a class that the model does not have."""

    def __str__(self) -> str:
        return str(self.args[0])


class SpacingUnknown(RtsegError, LookupError):
    """Reports a request for millimeters while the pixel size is unknown."""


class UnfamiliarPicture(RtsegError, LookupError):
    """Reports a request for a measure of a picture that is unfamiliar to the model."""


class MissingExtra(RtsegError, ImportError):
    """Reports a missing optional package; the message names the extra that installs it."""

    def __init__(self, needed_for: str, extra: str) -> None:
        super().__init__(f"{needed_for} needs an optional package: pip install 'rtseg[{extra}]'")
        self.extra = extra


class GateRefusal(RtsegError, ValueError):
    """Reports a converted engine whose results differ from those of the original."""


class ViewerRefused(RtsegError, ConnectionError):
    """Reports that a viewer or visitor was refused because the limit is reached."""


class ReportError(RtsegError, ValueError):
    """Reports a benchmark report that cannot be read, or that does not match the one it is compared with."""


class MeterAbsent(RtsegError, LookupError):
    """Reports a power or temperature sensor that is absent, or that this user may not read."""


def described(error: Exception) -> str:
    """Return the `repr` of an error, but without the whole file that a UnicodeDecodeError holds."""
    return f"{type(error).__name__}: {error}" if isinstance(error, UnicodeError) else repr(error)


def require_members(value: object, members: Iterable[str], expected: str, remedy: str) -> None:
    """Raise WrongArgument unless a value has all members of the expected object.

    expected: what belongs there, as in "the source of a pipeline". remedy: how to make it.
    """
    lacking = [name for name in members if not hasattr(value, name)]
    if lacking:
        raise WrongArgument(f"{expected} is not {_in_words(value, lacking)}: {remedy}")


def _in_words(value: object, lacking: list[str]) -> str:
    """Return what a value of the wrong type is."""
    if isinstance(value, str):
        return f"the text {value!r:.80}"
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if shape is not None and dtype is not None:
        return f"an array of shape {shape}, {dtype}"
    if value is None:
        return "None"
    name = "the class " + value.__name__ if isinstance(value, type) else f"{type(value).__name__} {value!r:.40}"
    return f"{name}, which lacks {', '.join(lacking)}"

"""Opens sources of plug-ins, and turns what they raise into errors that name the plug-in."""

from collections.abc import Iterator

from rtseg.errors import PluginError, RtsegError, SourceError
from rtseg.frame import Frame, Spacing, StreamInfo
from rtseg.plugins import SOURCES, Plugin, find_plugin
from rtseg.sources.base import Source, SourceWrapper


class PluginSource(SourceWrapper):
    """Plays the source of a plug-in; what is no error of rtseg becomes a SourceError, after the last good frame."""

    def __init__(self, plugin: Plugin, source: Source) -> None:
        plugin.require(source, ("info", "__iter__", "close"), "a source")
        super().__init__(source)
        self._plugin = plugin
        if not isinstance(source.info, StreamInfo):
            raise PluginError(f"{plugin} has a source without a StreamInfo: tell its makers")

    def __iter__(self) -> Iterator[Frame]:
        try:
            for frame in self._source:
                if not isinstance(frame, Frame):
                    raise PluginError(f"{self._plugin} yields {type(frame).__name__} in place of Frame: tell its makers")
                yield frame
        except PluginError as error:
            raise SourceError(str(error)) from error
        except RtsegError:
            raise
        except Exception as error:
            raise SourceError(str(self._plugin.failure("broke while it was read", error))) from error

    def close(self) -> None:
        """Close the source. Raises PluginError."""
        self._plugin.call(self._source.close, "cannot be closed")


def open_plugin_source(scheme: str, rest: str, fps: float | None, spacing_mm: Spacing | None) -> Source | None:
    """Open the source of the plug-in that is named by the scheme of an address, None where there is none. Raises RtsegError."""
    plugin = find_plugin(SOURCES, scheme)
    if plugin is None:
        return None
    opener = plugin.load()
    return PluginSource(plugin, plugin.call(lambda: opener(rest, fps=fps, spacing_mm=spacing_mm), "cannot be opened"))

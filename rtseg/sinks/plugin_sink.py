"""Opens sinks of plug-ins, and keeps their failures from the stream and from the other sinks."""

from collections.abc import Callable

from rtseg.errors import ConfigError
from rtseg.frame import StreamInfo
from rtseg.plugins import SINKS, Plugin, find_plugin, names_with_plugins
from rtseg.result import Result
from rtseg.sinks.base import Sink
from rtseg.text.log_records import get_logger
from rtseg.text.safe_text import safe_text

_log = get_logger(__name__)


class PluginSink:
    """Writes to the sink of a plug-in until that fails; the stream and the other sinks then go on.

    failure: why its output ends, in words; empty while it works. Opening raises, since nothing is lost then.
    """

    def __init__(self, plugin: Plugin, sink: Sink) -> None:
        plugin.require(sink, ("open", "write", "close"), "a sink")
        self._plugin, self._sink = plugin, sink
        self.failure = ""

    def open(self, info: StreamInfo) -> None:
        """Prepare for a stream. Raises SinkError, PluginError."""
        self._plugin.call(lambda: self._sink.open(info), "cannot be opened")

    def write(self, result: Result) -> None:
        """Pass on one result, unless the sink has failed."""
        if not self.failure:
            self._try(lambda: self._sink.write(result), f"failed at frame {result.frame.index}")

    def close(self) -> None:
        """Close the sink, also one that has failed."""
        self._try(self._sink.close, "could not finish its output")

    def _try(self, work: Callable[[], None], doing: str) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001  a plug-in may raise anything
            self.failure = self.failure or safe_text(f"{self._plugin} {doing}, where its output ends: {error!r}")
            _log.warning("%s", self.failure)


def open_plugin_sink(text: str) -> PluginSink:
    """Return the sink that NAME or NAME=ARGUMENT names. Raises ConfigError, PluginError, and what the plug-in refuses."""
    name, _, argument = text.partition("=")
    plugin = find_plugin(SINKS, name)
    if plugin is None:
        known = names_with_plugins(SINKS, []) or "none is installed"
        raise ConfigError(f"there is no plug-in sink {name!r}: {known}, see `rtseg doctor`")
    maker = plugin.load()
    made = plugin.call(lambda: maker(argument), "cannot be made")
    return PluginSink(plugin, made)


def failures_of(sinks: tuple[Sink, ...]) -> list[str]:
    """Return why plug-in sinks among these have failed, in words. Raises nothing."""
    return [sink.failure for sink in sinks if isinstance(sink, PluginSink) and sink.failure]

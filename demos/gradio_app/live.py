"""Play one visitor's live stream in a thread of its own; its settings may change while it runs."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

from rtseg.connection import LinkState
from rtseg.demos.gradio_app.network import Network
from rtseg.demos.gradio_app.painters import Bare, SecondOpinion, SideBySide
from rtseg.demos.gradio_app.settings import Look, Settings
from rtseg.errors import RtsegError, SourceError
from rtseg.frame import StreamInfo
from rtseg.pipeline import Pipeline
from rtseg.result import Result
from rtseg.sinks.view.screen import Painter, Screen
from rtseg.sources import Source
from rtseg.sources.live.reconnect import Reconnecting

_log = logging.getLogger(__name__)


class Shown:
    """Passes results to a screen that outlives the stream."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen

    def open(self, info: StreamInfo) -> None:
        """Reset the screen's statistics."""
        self._screen.begin(info)

    def write(self, result: Result) -> None:
        """Show one result."""
        self._screen.write(result)

    def close(self) -> None:
        """Do nothing: the last image stays."""


class Live:
    """Plays one source at a time through one network at a time; every method may be called from any thread.

    `screen` shows the stream, from construction to `close`.
    """

    def __init__(self) -> None:
        self.screen = Screen()
        self.screen.broadcast.open()
        self.settings = Settings()
        self.message = "choose a source, and press start"
        self._asking, self._swapping = threading.Lock(), threading.Lock()  # one request after another; two networks
        self._resumed, self._stopped = threading.Event(), threading.Event()
        self._resumed.set()
        self._thread: threading.Thread | None = None
        self._source: Source | None = None
        self._network: Network | None = None  # in use
        self._next: Network | None = None  # to be used from the next frame on
        self._second: SecondOpinion | None = None
        self._closed = False

    @property
    def source(self) -> Source | None:
        """Return the source in use, for faults and the browser's camera."""
        return self._source

    @property
    def running(self) -> bool:
        """Return True while a stream plays or is paused."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def paused(self) -> bool:
        """Return True while the visitor has paused the stream."""
        return not self._resumed.is_set()

    def start(self, open_source: Callable[[], Source], settings: Settings) -> None:
        """Play another source. Raises SourceError after `close`, and the errors of opening the source and loading the model."""
        with self._asking:
            if self._closed:
                raise SourceError("this page was closed by the server: reload it")
            self._stop()
            self.settings, self.message = settings, "opening"
            try:
                self._begin(open_source(), settings)
            except RtsegError as error:
                self.message = str(error)
                raise

    def apply(self, settings: Settings) -> None:
        """Apply other settings from the next frame on. Raises ModelError or MissingExtra, and then changes nothing."""
        with self._asking:
            before = self.settings
            if not self.running or self._network is None or self._source is None:
                self.settings = settings
                return
            if (settings.model, settings.engine) != (before.model, before.engine):
                self._change(Network(settings.model, settings, self._source.info))
            else:
                settings.set_on((self._next or self._network).session, before)
            self._dress(settings, before, self._source.info)
            self.settings = settings
            self.screen.redraw()

    def pause(self) -> bool:
        """Pause or resume the stream; return whether it is paused now."""
        with self._asking:
            if self._resumed.is_set() and self.running:
                self._resumed.clear()
            else:
                self._resumed.set()
            return self.paused

    def reset(self) -> None:
        """Reset the temporal memory of every network."""
        with self._asking:
            for network in (self._network, self._next, self._second):
                if network is not None:
                    network.session.reset("the visitor asked for it")

    def stop(self) -> None:
        """End the stream; the last image stays."""
        with self._asking:
            self._stop()
            self.message = "stopped"

    def close(self) -> None:
        """End the stream and the screen for good."""
        with self._asking:
            self._closed = True
            self._stop()
            self.screen.close()

    def snapshot(self) -> dict[str, Any]:
        """Return the stream's statistics as plain values, with its state and a message."""
        message = "paused: press the space bar to resume" if self.paused else self.message or _trouble(self._source)
        told = self.screen.snapshot() | {"message": message, "running": self.running, "paused": self.paused}
        return told if self.running and not self.paused else told | {"age_ms": None}  # a still image has no age

    def _begin(self, source: Source, settings: Settings) -> None:
        try:
            self._network = Network(settings.model, settings, source.info)
            self._dress(settings, None, source.info)
        except BaseException:
            source.close()
            self._give_back()
            raise
        self._source = source
        self._stopped.clear()
        self._resumed.set()
        pipeline = Pipeline(source, self._network.session, Shown(self.screen))
        self._thread = threading.Thread(target=self._run, args=(pipeline,), name="rtseg-demo", daemon=True)
        self._thread.start()

    def _run(self, pipeline: Pipeline) -> None:
        try:
            with closing(iter(pipeline)) as results:
                for _ in results:
                    self.message = ""
                    self._resumed.wait()
                    if self._stopped.is_set():
                        return
                    self._take_over(pipeline)
            self.message = "the recording is over" if self.screen.figures.snapshot()["frames"] else "the source gave no frame"
        except RtsegError as error:
            self.message = str(error)
        except Exception:  # noqa: BLE001  logged and shown on the page: the thread has no caller
            _log.exception("a stream of the demo broke")
            self.message = "something broke in rtseg itself: its log tells what"

    def _take_over(self, pipeline: Pipeline) -> None:
        """Switch to the queued network, if any, and close the previous one."""
        with self._swapping:
            coming, self._next = self._next, None
            if coming is not None and self._network is not None:
                pipeline.session = coming.session
                self._network.engine.close()
                self._network = coming

    def _change(self, network: Network) -> None:
        """Queue another network for the next frame, and close one that was queued before."""
        with self._swapping:
            waiting, self._next = self._next, network
            if waiting is not None:
                waiting.engine.close()

    def _dress(self, settings: Settings, before: Settings | None, info: StreamInfo) -> None:
        """Set the screen's painter by the settings."""
        with self._second_model(settings, before, info) as second:
            overlay = settings.overlay()
            if second:
                second.restyle(overlay)
                settings.set_on(second.session, before)
            beside: dict[str, list[Painter]] = {
                Look.OVERLAY.value: [overlay],
                Look.RAW_BESIDE.value: [Bare(), overlay],
                Look.TWO_MODELS.value: [overlay, *([second] if second else [])],
            }
            painters = beside[settings.look]
            self.screen.painter = painters[0] if len(painters) == 1 else SideBySide(painters)

    @contextmanager
    def _second_model(self, settings: Settings, before: Settings | None, info: StreamInfo) -> Iterator[SecondOpinion | None]:
        """Yield the second model, or None; the previous one is closed after the block, when the screen no longer uses it."""
        had, self._second = self._second, self._wanted_second(settings, before, info)
        yield self._second
        if had is not None and had is not self._second:
            had.close()

    def _wanted_second(self, settings: Settings, before: Settings | None, info: StreamInfo) -> SecondOpinion | None:
        if settings.look != Look.TWO_MODELS.value:
            return None
        if self._second and before and (before.second, before.engine) == (settings.second, settings.engine):
            return self._second
        network = Network(settings.second, settings, info)
        return SecondOpinion(network.engine, network.session, settings.overlay())

    def _stop(self) -> None:
        self._stopped.set()
        self._resumed.set()
        if self._source is not None:
            self._source.close()
        if self._thread is not None:
            self._thread.join()
        self._give_back()
        self._thread = self._source = None

    def _give_back(self) -> None:
        """Close every engine."""
        self.screen.painter = self.settings.overlay()
        for network in (self._network, self._next):
            if network is not None:
                network.engine.close()
        if self._second is not None:
            self._second.close()
        self._network = self._next = self._second = None


def _trouble(source: Source | None) -> str:
    """Return the state and the last error of a reconnecting source; "" when it is connected, or of another kind."""
    if not isinstance(source, Reconnecting) or source.state is LinkState.LIVE:
        return ""
    lost = [event.reason for event in list(source.events) if event.reason]
    return f"the source is {source.state.value}: {lost[-1] if lost else 'no reason given'}"


def fed(source: Source | None, kind: type[Any]) -> Any:
    """Return the source if it is of the given class. Raises SourceError."""
    if not isinstance(source, kind):
        raise SourceError("this is not what plays now: choose another source, and press start")
    return source

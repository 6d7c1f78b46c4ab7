"""Play one visitor's live stream in a thread of its own; its settings may change while it runs."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

from rtseg.connection import LinkState
from rtseg.demos.gradio_app.network import LoadedModel
from rtseg.demos.gradio_app.painters import RawPainter, SecondModelPainter, SideBySidePainter
from rtseg.demos.gradio_app.paused_frame import segment_prompted
from rtseg.demos.gradio_app.screen_sink import ScreenSink
from rtseg.demos.gradio_app.settings import Appearance, DemoSettings
from rtseg.errors import RtsegError, SourceError
from rtseg.frame import StreamInfo
from rtseg.kernels.runtime.cpu import raise_parallel_threshold
from rtseg.pipeline import Pipeline
from rtseg.result import Result
from rtseg.sinks.view.screen import Painter, Screen
from rtseg.sources import Source
from rtseg.sources.base import as_live_source
from rtseg.text.log_records import get_logger

_log = get_logger(__name__)

_PAUSED_POLL_S = 0.1


class LivePlayer:
    """Plays one source at a time through one network at a time; every method may be called from any thread.

    `screen` shows the stream, from construction to `close`.
    """

    def __init__(self) -> None:
        self.screen = Screen()
        self.screen.broadcast.open()
        self.settings = DemoSettings()
        self.message = "choose a source, and press start"
        self._request_lock, self._network_lock = threading.Lock(), threading.Lock()  # one request after another; two networks
        self._resumed, self._stopped = threading.Event(), threading.Event()
        self._resumed.set()
        self._thread: threading.Thread | None = None
        self._source: Source | None = None
        self._network: LoadedModel | None = None  # in use
        self._next: LoadedModel | None = None  # to be used from the next frame on
        self._second: SecondModelPainter | None = None
        self._closed = False

    @property
    def source(self) -> Source | None:
        """Return the source in use, for faults and the browser's camera."""
        return self._source

    @property
    def is_running(self) -> bool:
        """Return True while a stream plays or is paused."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def is_paused(self) -> bool:
        """Return True while the visitor has paused the stream."""
        return not self._resumed.is_set()

    def start(self, open_source: Callable[[], Source], settings: DemoSettings) -> None:
        """Play another source. Raises SourceError after `close`, and the errors of opening the source and loading the model."""
        with self._request_lock:
            if self._closed:
                raise SourceError("this page was closed by the server: reload it")
            self._stop()
            self.settings, self.message = settings, "opening"
            try:
                self._begin(open_source(), settings)
            except RtsegError as error:
                self.message = str(error)
                raise

    def apply(self, settings: DemoSettings) -> None:
        """Apply other settings from the next frame on. Raises ModelError or MissingExtra, and then changes nothing."""
        with self._request_lock:
            before = self.settings
            if not self.is_running or self._network is None or self._source is None:
                self.settings = settings
                return
            if (settings.model, settings.engine) != (before.model, before.engine):
                self._queue_network(LoadedModel(settings.model, settings, self._source.info))
            else:
                settings.apply_to((self._next or self._network).session, before)
            self._update_painter(settings, before, self._source.info)
            self.settings = settings
            self.screen.redraw()

    def pause(self) -> bool:
        """Pause or resume the stream; return whether it is paused now."""
        with self._request_lock:
            if self._resumed.is_set() and self.is_running:
                self._resumed.clear()
            else:
                self._resumed.set()
            return self.is_paused

    def reset(self) -> None:
        """Reset the temporal memory of every network."""
        with self._request_lock:
            for network in (self._network, self._next, self._second):
                if network is not None:
                    network.session.reset("the visitor asked for it")

    def stop(self) -> None:
        """End the stream; the last image stays."""
        with self._request_lock:
            self._stop()
            self.message = "stopped"

    def close(self) -> None:
        """End the stream and the screen for good."""
        with self._request_lock:
            self._closed = True
            self._stop()
            self.screen.close()

    def snapshot(self) -> dict[str, Any]:
        """Return the stream's statistics as plain values, with its state and a message."""
        message = (
            "paused: press the space bar to resume" if self.is_paused else self.message or _connection_status(self._source)
        )
        told = self.screen.snapshot() | {"message": message, "running": self.is_running, "paused": self.is_paused}
        return told if self.is_running and not self.is_paused else told | {"age_ms": None}  # a still image has no age

    def _begin(self, source: Source, settings: DemoSettings) -> None:
        try:
            self._network = LoadedModel(settings.model, settings, source.info)
            self._update_painter(settings, None, source.info)
        except BaseException:
            source.close()
            self._close_engines()
            raise
        self._source = source
        self._stopped.clear()
        self._resumed.set()
        pipeline = Pipeline(source, self._network.session, ScreenSink(self.screen))
        self.screen.prompts.target = self._network.session
        self._thread = threading.Thread(target=self._run, args=(pipeline,), name="rtseg-demo", daemon=True)
        self._thread.start()

    def _run(self, pipeline: Pipeline) -> None:
        raise_parallel_threshold()
        try:
            with closing(iter(pipeline)) as results:
                for result in results:
                    self.message = ""
                    self._pause(result)
                    if self._stopped.is_set():
                        return
                    self._swap_network(pipeline)
            self.message = "the recording is over" if self.screen.stats.snapshot()["frames"] else "the source gave no frame"
        except RtsegError as error:
            self.message = str(error)
        except Exception:  # noqa: BLE001  logged and shown on the page: the thread has no caller
            _log.exception("a stream of the demo broke")
            self.message = "something broke in rtseg itself: its log tells what"

    def _pause(self, result: Result) -> None:
        """Return when the stream is not paused; meanwhile, what is pointed at is segmented in its last frame."""
        while not self._resumed.wait(_PAUSED_POLL_S):
            if self._network is not None and (again := segment_prompted(self._network.session, result)):
                self.screen.write(again)

    def _swap_network(self, pipeline: Pipeline) -> None:
        """Switch to the queued network, if any, and close the previous one."""
        with self._network_lock:
            coming, self._next = self._next, None
            if coming is not None and self._network is not None:
                pipeline.session = self.screen.prompts.target = coming.session
                self._network.engine.close()
                self._network = coming

    def _queue_network(self, network: LoadedModel) -> None:
        """Queue another network for the next frame, and close one that was queued before."""
        with self._network_lock:
            waiting, self._next = self._next, network
            if waiting is not None:
                waiting.engine.close()

    def _update_painter(self, settings: DemoSettings, before: DemoSettings | None, info: StreamInfo) -> None:
        """Set the screen's painter by the settings."""
        with self._second_model(settings, before, info) as second:
            overlay = settings.overlay()
            if second:
                second.restyle(overlay)
                settings.apply_to(second.session, before)
            beside: dict[str, list[Painter]] = {
                Appearance.OVERLAY.value: [overlay],
                Appearance.RAW_BESIDE.value: [RawPainter(), overlay],
                Appearance.TWO_MODELS.value: [overlay, *([second] if second else [])],
            }
            painters = beside[settings.appearance]
            self.screen.painter = painters[0] if len(painters) == 1 else SideBySidePainter(painters)

    @contextmanager
    def _second_model(
        self, settings: DemoSettings, before: DemoSettings | None, info: StreamInfo
    ) -> Iterator[SecondModelPainter | None]:
        """Yield the second model, or None; the previous one is closed after the block, when the screen no longer uses it."""
        had, self._second = self._second, self._open_second_model(settings, before, info)
        yield self._second
        if had is not None and had is not self._second:
            had.close()

    def _open_second_model(
        self, settings: DemoSettings, before: DemoSettings | None, info: StreamInfo
    ) -> SecondModelPainter | None:
        if settings.appearance != Appearance.TWO_MODELS.value:
            return None
        if self._second and before and (before.second, before.engine) == (settings.second, settings.engine):
            return self._second
        network = LoadedModel(settings.second, settings, info)
        return SecondModelPainter(network.engine, network.session, settings.overlay())

    def _stop(self) -> None:
        self._stopped.set()
        self._resumed.set()
        if self._source is not None:
            self._source.close()
        if self._thread is not None:
            self._thread.join()
        self._close_engines()
        self._thread = self._source = None

    def _close_engines(self) -> None:
        """Close every engine."""
        self.screen.prompts.target = None
        self.screen.painter = self.settings.overlay()
        for network in (self._network, self._next):
            if network is not None:
                network.engine.close()
        if self._second is not None:
            self._second.close()
        self._network = self._next = self._second = None


def _connection_status(source: Source | None) -> str:
    """Return the state and the last error of a reconnecting source; "" when it is connected, or of another kind."""
    link = as_live_source(source)
    if link is None or link.state is LinkState.LIVE:
        return ""
    lost = [event.reason for event in list(link.events) if event.reason]
    return f"the source is {link.state.value}: {lost[-1] if lost else 'no reason given'}"

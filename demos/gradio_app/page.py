"""The page: what can be set stands here, in Gradio; the picture and its figures come by ways of their own."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from rtseg.demos.gradio_app import gr
from rtseg.demos.gradio_app.live import fed
from rtseg.demos.gradio_app.measuring import LENGTHS, SOURCES
from rtseg.demos.gradio_app.settings import NO_FILTER, Look, Settings, models
from rtseg.demos.gradio_app.sources import ADDRESS, CAMERA, FAULTS, PROBE, UPLOAD, Probe, Sources
from rtseg.demos.gradio_app.uploads import KINDS, MOST_BYTES, take_in
from rtseg.demos.gradio_app.visitors import Visitor, Visitors
from rtseg.demos.gradio_app.work import benchmark, recording
from rtseg.engines.load import ENGINES
from rtseg.errors import RtsegError, ViewerRefused
from rtseg.overlay import NOTICE
from rtseg.speckle import FILTERS

_TITLE = f'<h1>rtseg</h1><span class="notice">{NOTICE}</span>'
_KEYS = "Space pauses, R resets, O hides the overlay, M takes the memory away"
_HEAD = (
    '<link rel="stylesheet" href="rtseg/live.css"><link rel="stylesheet" href="rtseg/page.css">'
    '<script type="module" src="rtseg/live.js"></script><script src="rtseg/page.js" defer></script>'
)
_CAMERA_SWITCH = f"(source) => window.rtsegCamera(source === {CAMERA!r})"


def mount(app: FastAPI, visitors: Visitors, sources: Sources) -> FastAPI:
    """Put the page at the root of an application."""
    theme = gr.themes.Base(primary_hue="cyan", neutral_hue="gray", font=("system-ui", "sans-serif"), font_mono=("monospace",))
    page = Page(visitors, sources).blocks()
    quiet = {"docs_url": None, "redoc_url": None, "openapi_url": None}
    shown = {"head": _HEAD, "theme": theme, "footer_links": [], "run_history": False, "show_error": True}
    mounted: FastAPI = gr.mount_gradio_app(app, page, "/", max_file_size=MOST_BYTES, app_kwargs=quiet, **shown)
    return mounted


@contextmanager
def _told() -> Iterator[None]:
    """What rtseg raises on purpose is shown on the page."""
    try:
        yield
    except RtsegError as error:
        raise gr.Error(escape(str(error), quote=False), print_exception=False) from error  # it shows HTML


class Page:
    """The three tabs and what their controls do; each visitor's token comes back with every click."""

    def __init__(self, visitors: Visitors, sources: Sources) -> None:
        self._visitors, self._sources = visitors, sources
        self._waiting: list[gr.Button] = []

    def blocks(self) -> gr.Blocks:
        """The page, built."""
        blocks = gr.Blocks(title="rtseg", analytics_enabled=False, fill_width=True, delete_cache=(300, 900))
        with blocks:
            self._token = gr.State("")
            gr.HTML(_TITLE, elem_id="rtseg-title")
            with gr.Tabs():
                with gr.Tab("Live"):
                    view = self._live_tab()
                with gr.Tab("Recording"):
                    self._recording_tab()
                with gr.Tab("Benchmark"):
                    self._benchmark_tab()
            outputs = [self._token, view, *self._waiting]
            blocks.load(self._welcome, outputs=outputs, api_visibility="private", queue=False)
        return blocks

    def _live_tab(self) -> gr.HTML:
        with gr.Row(equal_height=False):
            with gr.Column(scale=0, min_width=300, elem_id="rtseg-controls"):
                source, address, upload = self._source_controls()
                with gr.Row():
                    start = self._button("Start", main=True)
                    stop = self._button("Stop")
                with gr.Row():
                    pause = self._button("Pause")
                    reset = self._button("Reset")
                controls = self._controls()
                gr.HTML(f'<span class="quiet">{_KEYS}</span>')
            view = gr.HTML(elem_id="rtseg-view", elem_classes="rtseg-grow")
        self._on(start.click, self._start, [source, address, *controls]).success(fn=None, inputs=[source], js=_CAMERA_SWITCH)
        self._on(stop.click, self._stop)
        self._on(pause.click, self._pause, outputs=[pause])
        self._on(reset.click, self._reset)
        for control in controls:
            self._on(control.change, self._apply, controls, trigger_mode="always_last")
        self._on(upload.upload, self._take_in, [upload], [source, upload])
        return view

    def _source_controls(self) -> tuple[gr.Dropdown, gr.Textbox, gr.UploadButton]:
        """What is played, and the probe's faults where it is the probe."""
        titles = self._sources.titles
        source = gr.Dropdown(titles, value=titles[0], label="source", elem_id="rtseg-source")
        address = gr.Textbox(label="address", placeholder="rtsp://camera.local/stream", visible=False)
        upload = gr.UploadButton("Upload a clip or a still", size="sm")
        with gr.Row(visible=False, elem_id="rtseg-faults") as faults:
            for fault in FAULTS:
                button = gr.Button(fault, size="sm", min_width=48)
                self._on(button.click, self._fault, [gr.State(fault)])
        source.change(
            lambda title: (gr.update(visible=title == PROBE), gr.update(visible=title == ADDRESS)),
            [source],
            [faults, address],
            queue=False,
            api_visibility="private",
            show_progress="hidden",
        )
        return source, address, upload

    def _controls(self) -> "list[Any]":
        """In the order of Settings."""
        usual = Settings()
        with gr.Row():
            model = gr.Dropdown(models(), value=usual.model, label="model", min_width=120)
            engine = gr.Dropdown(list(ENGINES), value=usual.engine, label="engine", min_width=100)
        look = gr.Radio([look.value for look in Look], value=usual.look, label="view")
        second = gr.Dropdown(models(), value=usual.second, label="second model")
        opacity = gr.Slider(0, 1, usual.opacity, step=0.05, label="opacity", buttons=[])
        contour = gr.Slider(0, 6, usual.contour, step=1, label="contour, px", buttons=[])
        threshold = gr.Slider(0.05, 0.95, usual.threshold, step=0.05, label="threshold", buttons=[])
        smoothing = gr.Slider(0, 0.95, usual.smoothing, step=0.05, label="smoothing", buttons=[])
        speckle = gr.Dropdown([NO_FILTER, *FILTERS], value=usual.speckle, label="speckle filter")
        masks = gr.Checkbox(usual.masks, label="overlay", elem_id="rtseg-masks")
        memory = gr.Checkbox(usual.memory, label="memory of the frames before", elem_id="rtseg-memory")
        sector = gr.Checkbox(usual.sector, label="crop to the sector, hide what is around it")
        return [model, engine, opacity, contour, threshold, smoothing, speckle, sector, memory, masks, look, second]

    def _recording_tab(self) -> None:
        with gr.Row(equal_height=False):
            with gr.Column(scale=0, min_width=300):
                gr.HTML(
                    f'<span class="quiet">{KINDS}, at most {MOST_BYTES >> 20} MB; it is deleted when this page is closed</span>'
                )
                upload = gr.UploadButton("Upload a recording", elem_id="rtseg-upload")
                chosen = gr.Textbox("the bundled clip", label="recording", interactive=False)
                model = gr.Dropdown(models(), value=Settings().model, label="model")
                engine = gr.Dropdown(list(ENGINES), value=ENGINES[0], label="engine")
                begin = self._button("Segment", main=True)
            outcome = gr.HTML(elem_id="rtseg-outcome", elem_classes="rtseg-grow", min_height=400)
        self._on(upload.upload, self._take_in_recording, [upload], [chosen, upload])
        self._on(begin.click, self._follow, [model, engine], [outcome], queue=True)

    def _benchmark_tab(self) -> None:
        with gr.Row(equal_height=False):
            with gr.Column(scale=0, min_width=300):
                source = gr.Dropdown(list(SOURCES), value=SOURCES[0], label="source")
                model = gr.Dropdown(models(), value=Settings().model, label="model")
                engine = gr.Dropdown(list(ENGINES), value=ENGINES[0], label="engine")
                length = gr.Radio(list(LENGTHS), value=next(iter(LENGTHS)), label="length")
                begin = self._button("Measure", main=True)
                gr.HTML(
                    '<span class="quiet">Whatever else this machine does is in the figures: stop the live stream first.</span>'
                )
            outcome = gr.HTML(elem_id="rtseg-report", elem_classes="rtseg-grow", min_height=400)
        self._on(begin.click, self._measure, [source, model, engine, length], [outcome], queue=True)

    def _button(self, title: str, *, main: bool = False) -> gr.Button:
        """A button that can be pressed once the page knows its visitor: before that, a click would be lost."""
        name = f"rtseg-{title.lower()}"
        button = gr.Button(title, variant="primary" if main else "secondary", elem_id=name, min_width=60, interactive=False)
        self._waiting.append(button)
        return button

    def _on(
        self,
        event: Any,
        do: Callable[..., Any],
        inputs: "list[Any] | None" = None,
        outputs: "list[Any] | None" = None,
        *,
        queue: bool = False,
        trigger_mode: str | None = None,
    ) -> Any:
        """Let an event call `do` with the visitor's token before its inputs; none of them is an API for others."""
        hidden = "full" if queue else "hidden"
        more = {"queue": queue, "trigger_mode": trigger_mode, "show_progress": hidden, "concurrency_limit": None}
        return event(do, [self._token, *(inputs or [])], outputs, api_visibility="private", **more)

    def _welcome(self) -> tuple[Any, ...]:
        """The visitor's token, his view, and whether each button can be pressed."""
        try:
            token = self._visitors.welcome().token
            view = f'<div class="rtseg-live" data-base="live/{token}/"></div>'
        except ViewerRefused as error:
            token, view = "", f'<p class="refused">{error}</p>'
        return token, view, *(gr.update(interactive=bool(token)) for _ in self._waiting)

    def _visitor(self, token: str) -> Visitor:
        return self._visitors.find(token)

    def _start(self, token: str, title: str, address: str, *controls: Any) -> None:
        with _told():
            visitor = self._visitor(token)
            opener = self._sources.opener(title, address, visitor.upload)
            visitor.live.start(opener, Settings(*controls))

    def _apply(self, token: str, *controls: Any) -> None:
        with _told():
            self._visitor(token).live.apply(Settings(*controls))

    def _stop(self, token: str) -> None:
        with _told():
            self._visitor(token).live.stop()

    def _pause(self, token: str) -> Any:
        with _told():
            return gr.update(value="Go on" if self._visitor(token).live.pause() else "Pause")

    def _reset(self, token: str) -> None:
        with _told():
            self._visitor(token).live.reset()

    def _fault(self, token: str, fault: str) -> None:
        with _told():
            fed(self._visitor(token).live.source, Probe).happen(fault)

    def _take_in(self, token: str, path: str) -> tuple[Any, Any]:
        self._take(token, path)
        return gr.update(value=UPLOAD), gr.update(value=None)

    def _take_in_recording(self, token: str, path: str) -> tuple[str, Any]:
        return self._take(token, path), gr.update(value=None)

    def _take(self, token: str, path: str) -> str:
        """Take a file in; its name and size for the page."""
        with _told():
            visitor, name = self._visitor(token), Path(path).name
            visitor.upload = take_in(Path(path), visitor.folder)
            return f"{name}, {visitor.upload.stat().st_size / 1e6:.1f} MB"

    def _follow(self, token: str, model: str, engine: str, progress: Any = gr.Progress()) -> str:  # noqa: B008  Gradio's way
        def tell(done: int, total: int | None) -> None:
            progress((done, total) if total else None, desc="segmenting", unit="frames")

        with _told():
            return recording(self._visitor(token), Settings(model, engine), tell)

    def _measure(
        self,
        token: str,
        source: str,
        model: str,
        engine: str,
        length: str,
        progress: Any = gr.Progress(),  # noqa: B008  Gradio's way
    ) -> str:
        with _told():
            return benchmark(
                self._visitor(token), Settings(model, engine), source, length, lambda text: progress(None, desc=text)
            )

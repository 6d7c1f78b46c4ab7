"""Build the page's controls in Gradio; the image and its statistics have routes of their own."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from typing import Any

from fastapi import FastAPI

from rtseg.demos.gradio_app import gr
from rtseg.demos.gradio_app.benchmark import LENGTHS, SOURCES
from rtseg.demos.gradio_app.guard import CLIENT_HEADER, decode_client_id
from rtseg.demos.gradio_app.setting_controls import setting_controls
from rtseg.demos.gradio_app.settings import DemoSettings, models
from rtseg.demos.gradio_app.sources import ADDRESS, CAMERA, FAULTS, PROBE, UPLOAD, DemoProbe, SourceMenu, require_source
from rtseg.demos.gradio_app.tasks import benchmark_html, segment_upload
from rtseg.demos.gradio_app.upload_button import upload_button
from rtseg.demos.gradio_app.uploads import KINDS, MAX_UPLOAD_BYTES
from rtseg.demos.gradio_app.visitors import MAX_CLICKS, Visitor, Visitors
from rtseg.engines.load import ENGINES
from rtseg.errors import RtsegError, ViewerRefused
from rtseg.overlay import NOTICE

_TITLE = f'<h1>rtseg</h1><span class="notice">{NOTICE}</span>'
_KEYS = "Space pauses, R resets, O hides the overlay, M turns the memory off"
_HEAD = (
    '<link rel="stylesheet" href="rtseg/live.css"><link rel="stylesheet" href="rtseg/page.css">'
    '<script type="module" src="rtseg/live.js"></script><script src="rtseg/page.js" defer></script>'
)
_CAMERA_SWITCH = f"(source) => window.rtsegCamera(source === {CAMERA!r})"


def mount(app: FastAPI, visitors: Visitors, sources: SourceMenu) -> FastAPI:
    """Put the page at the root of an application."""
    theme = gr.themes.Base(primary_hue="cyan", neutral_hue="gray", font=("system-ui", "sans-serif"), font_mono=("monospace",))
    page = DemoPage(visitors, sources).blocks()
    quiet = {"docs_url": None, "redoc_url": None, "openapi_url": None}
    shown = {"head": _HEAD, "theme": theme, "footer_links": [], "run_history": False, "show_error": True}
    mounted: FastAPI = gr.mount_gradio_app(app, page, "/", app_kwargs=quiet, **shown)
    # A second check behind `AccessControl`: Gradio checks the paths in values only when this is set.
    page.has_launched = True
    page.max_threads = max(40, visitors.most * (MAX_CLICKS + 2))  # one visitor's blocked clicks must not use up all threads
    return mounted


@contextmanager
def _errors_shown() -> Iterator[None]:
    """Show an RtsegError on the page."""
    try:
        yield
    except RtsegError as error:
        raise gr.Error(escape(str(error), quote=False), print_exception=False) from error  # Gradio renders HTML


class DemoPage:
    """Builds the three tabs and handles the events of their controls; every event carries the visitor's token."""

    def __init__(self, visitors: Visitors, sources: SourceMenu) -> None:
        self._visitors, self._sources = visitors, sources
        self._waiting: list[gr.Button] = []

    def blocks(self) -> gr.Blocks:
        """Build the page."""
        blocks = gr.Blocks(title="rtseg", analytics_enabled=False, fill_width=True)
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
                controls = setting_controls()
                gr.HTML(f'<span class="quiet">{_KEYS}</span>')
            view = gr.HTML(elem_id="rtseg-view", elem_classes="rtseg-grow")
        self._on(start.click, self._start, [source, address, *controls]).success(fn=None, inputs=[source], js=_CAMERA_SWITCH)
        self._on(stop.click, self._stop)
        self._on(pause.click, self._pause, outputs=[pause])
        self._on(reset.click, self._reset)
        for control in controls:
            self._on(control.change, self._apply, controls, trigger_mode="always_last")
        upload.click(fn=None, outputs=[source], js=f"() => {UPLOAD!r}", api_visibility="private")
        return view

    def _source_controls(self) -> tuple[gr.Dropdown, gr.Textbox, gr.Button]:
        """Build the choice of a source, its address, the upload, and the buttons for the probe's faults."""
        titles = self._sources.titles
        source = gr.Dropdown(titles, value=titles[0], label="source", elem_id="rtseg-source")
        address = gr.Textbox(label="address", placeholder="rtsp://camera.local/stream", visible=False)
        upload = upload_button("Upload a clip or a still", "rtseg-uploaded-live")
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

    def _recording_tab(self) -> None:
        with gr.Row(equal_height=False):
            with gr.Column(scale=0, min_width=300):
                limit = f"at most {MAX_UPLOAD_BYTES >> 20} MB"
                gr.HTML(f'<span class="quiet">{KINDS}, {limit}; it is deleted when this page is closed</span>')
                upload = upload_button("Upload a recording", "rtseg-uploaded-recording")
                chosen = gr.Textbox("the bundled clip", label="recording", interactive=False)
                model = gr.Dropdown(models(), value=DemoSettings().model, label="model")
                engine = gr.Dropdown(list(ENGINES), value=ENGINES[0], label="engine")
                begin = self._button("Segment", main=True)
            outcome = gr.HTML(elem_id="rtseg-outcome", elem_classes="rtseg-grow", min_height=400)
        upload.click(fn=None, outputs=[chosen], js="() => window.rtsegUploaded", api_visibility="private")
        self._on(begin.click, self._follow, [model, engine], [outcome], queue=True)

    def _benchmark_tab(self) -> None:
        with gr.Row(equal_height=False):
            with gr.Column(scale=0, min_width=300):
                source = gr.Dropdown(list(SOURCES), value=SOURCES[0], label="source")
                model = gr.Dropdown(models(), value=DemoSettings().model, label="model")
                engine = gr.Dropdown(list(ENGINES), value=ENGINES[0], label="engine")
                length = gr.Radio(list(LENGTHS), value=next(iter(LENGTHS)), label="length")
                begin = self._button("Measure", main=True)
                gr.HTML(
                    '<span class="quiet">Other work on this machine distorts the results: stop the live stream first.</span>'
                )
            outcome = gr.HTML(elem_id="rtseg-report", elem_classes="rtseg-grow", min_height=400)
        self._on(begin.click, self._measure, [source, model, engine, length], [outcome], queue=True)

    def _button(self, title: str, *, main: bool = False) -> gr.Button:
        """Build a button that is disabled until the page has its visitor's token; an earlier click would be lost."""
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
        """Bind an event to `do`, with the visitor's token before the inputs; it is not exposed as an API."""
        hidden = "full" if queue else "hidden"
        more = {"queue": queue, "trigger_mode": trigger_mode, "show_progress": hidden, "concurrency_limit": None}
        return event(do, [self._token, *(inputs or [])], outputs, api_visibility="private", **more)

    def _welcome(self, request: gr.Request | None = None) -> tuple[Any, ...]:
        """Admit a visitor; return the token, the view's HTML and an update for each button."""
        client_id = decode_client_id(request.headers.get(CLIENT_HEADER)) if request else ""
        page = (request.session_hash if request else None) or ""
        try:
            token = self._visitors.welcome(client_id, page).token
            view = f'<div class="rtseg-live" data-base="live/{token}/"></div>'
        except ViewerRefused as error:
            token, view = "", f'<p class="refused">{error}</p>'
        return token, view, *(gr.update(interactive=bool(token)) for _ in self._waiting)

    @contextmanager
    def _click(self, token: str) -> Iterator[Visitor]:
        """Yield the visitor of a click; errors are shown on the page."""
        with _errors_shown():
            visitor = self._visitors.find(token)
            with visitor.click():
                yield visitor

    def _start(self, token: str, title: str, address: str, *controls: Any) -> None:
        with self._click(token) as visitor:
            opener = self._sources.opener(title, address, visitor.upload)
            visitor.live.start(opener, DemoSettings(*controls))

    def _apply(self, token: str, *controls: Any) -> None:
        with self._click(token) as visitor:
            visitor.live.apply(DemoSettings(*controls))

    def _stop(self, token: str) -> None:
        with self._click(token) as visitor:
            visitor.live.stop()

    def _pause(self, token: str) -> Any:
        with self._click(token) as visitor:
            return gr.update(value="Resume" if visitor.live.pause() else "Pause")

    def _reset(self, token: str) -> None:
        with self._click(token) as visitor:
            visitor.live.reset()

    def _fault(self, token: str, fault: str) -> None:
        with self._click(token) as visitor:
            require_source(visitor.live.source, DemoProbe).inject_fault(fault)

    def _follow(self, token: str, model: str, engine: str, progress: Any = gr.Progress()) -> str:  # noqa: B008  Gradio's way
        def tell(done: int, total: int | None) -> None:
            progress((done, total) if total else None, desc="segmenting", unit="frames")

        with self._click(token) as visitor:
            return segment_upload(visitor, DemoSettings(model, engine), tell)

    def _measure(
        self,
        token: str,
        source: str,
        model: str,
        engine: str,
        length: str,
        progress: Any = gr.Progress(),  # noqa: B008  Gradio's way
    ) -> str:
        with self._click(token) as visitor:
            return benchmark_html(visitor, DemoSettings(model, engine), source, length, lambda text: progress(None, desc=text))

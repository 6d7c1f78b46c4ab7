"""Run the long tasks of a visitor, a recording or a benchmark: one at a time, canceled when the page is closed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape

from rtseg.demos.gradio_app.benchmark import REPORTS, run_benchmark
from rtseg.demos.gradio_app.scan import Progress, segment_recording
from rtseg.demos.gradio_app.settings import DemoSettings
from rtseg.demos.gradio_app.summary import summary_html
from rtseg.demos.gradio_app.visitors import Visitor
from rtseg.errors import ConfigError
from rtseg.sources.files.bundled_clips import bundled_clips


def segment_upload(visitor: Visitor, settings: DemoSettings, progress: Progress) -> str:
    """Segment the visitor's upload, or the bundled clip, and return the summary as HTML. Raises RtsegError."""
    path = visitor.upload or next(iter(bundled_clips().values()))
    with _working(visitor):
        scan = segment_recording(path, settings, visitor.folder, progress, visitor.leaving)
    return summary_html(scan, _folder_url(visitor))


def benchmark_html(visitor: Visitor, settings: DemoSettings, source: str, length: str, progress: Callable[[str], None]) -> str:
    """Run a benchmark and return HTML that links and embeds its report. Raises RtsegError."""

    def tell(text: str) -> None:
        if visitor.leaving.is_set():
            raise ConfigError("the page was closed, and its work stopped: open it again")
        progress(text)

    with _working(visitor):
        run_benchmark(source, settings, length, visitor.folder, tell)
    url = _folder_url(visitor)
    links = " ".join(f'<a href="{url}{name}" download="{name}">{escape(name)}</a>' for name in REPORTS)
    return (
        f'<div class="rtseg-summary"><p class="files">{links}</p><iframe src="{url}{REPORTS[0]}" title="report"></iframe></div>'
    )


@contextmanager
def _working(visitor: Visitor) -> Iterator[None]:
    if not visitor.working.acquire(blocking=False):
        raise ConfigError("one recording or benchmark at a time: wait for the other to end")
    try:
        yield
    finally:
        visitor.working.release()


def _folder_url(visitor: Visitor) -> str:
    return f"live/{visitor.token}/files/"

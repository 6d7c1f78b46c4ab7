"""Run a short benchmark for a visitor, with the report of `rtseg bench --quick`."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from rtseg.bench.line import BenchPlan, BenchTarget, bench_pipeline
from rtseg.bench.line.write import write_report
from rtseg.demos.gradio_app.settings import DemoSettings
from rtseg.engines.load import load_engine
from rtseg.errors import ConfigError

REPORTS = ("report.html", "report.md", "report.json")
SOURCES = ("clip:carotid", "synthetic:vessel?height=720&width=1280&frames=60&fps=30&seed=1")
LENGTHS = {"quick (some 10 s)": 100, "longer (about a minute)": 800}


def run_benchmark(source: str, settings: DemoSettings, length: str, folder: Path, progress: Callable[[str], None]) -> None:
    """Run a benchmark and write its report into `folder`. Raises ConfigError for a source or length not in the lists."""
    if source not in SOURCES or length not in LENGTHS:
        raise ConfigError("this benchmark is not on offer: choose one of the page's own")
    frames = LENGTHS[length]
    with closing(load_engine(settings.model, settings.engine)) as engine:
        target = BenchTarget(source, settings.model, settings.engine, engine)
        report = bench_pipeline(target, BenchPlan(frames, seconds=0, warmup=10, rounds=2, cold=False), progress)
    write_report(report.to_json(), folder)

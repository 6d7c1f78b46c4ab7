"""Write the metrics of a stream in the format of Prometheus (extra `serve`)."""

from collections.abc import Iterator
from importlib.metadata import version
from itertools import accumulate
from typing import Any

from rtseg.errors import MissingExtra
from rtseg.sinks.view.stream_metrics import BUCKETS_S, StageLatency, StreamMetrics

try:
    from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
except ImportError as error:
    raise MissingExtra("the page /metrics", "serve") from error

CONTENT_TYPE: str = CONTENT_TYPE_LATEST
_COUNTS = {
    "frames": "Frames with a result",
    "dropped": "Frames dropped because newer ones were there",
    "late": "Frames whose latency exceeded the frame period",
    "unfamiliar": "Pictures unlike those that the model was made from",
}


def metrics_text(metrics: StreamMetrics) -> bytes:
    """Return the metrics of a stream as text. Every scrape makes a registry of its own, so that streams do not mix."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(StreamCollector(metrics))
    text: bytes = generate_latest(registry)
    return text


class StreamCollector:
    """Reads the metrics of one stream when they are scraped."""

    def __init__(self, metrics: StreamMetrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Any]:
        """Yield the metric families."""
        metrics = self._metrics
        with metrics.lock:
            yield from _families(metrics)
        yield from _connection_families(metrics)
        build = GaugeMetricFamily("rtseg_build_info", "The version of rtseg", labels=["version"])
        build.add_metric([version("rtseg")], 1)
        yield build


def _families(metrics: StreamMetrics) -> Iterator[Any]:
    latency = HistogramMetricFamily("rtseg_stage_seconds", "Latency of each stage, and of the total", labels=["stage"])
    for name, stage in metrics.stages.items():
        latency.add_metric([name], _cumulative(stage), stage.sum_s)
    yield latency
    for name, words in _COUNTS.items():
        yield CounterMetricFamily(f"rtseg_{name}_frames" if name != "frames" else "rtseg_frames", words, metrics.counts[name])
    yield _counter("rtseg_lives", "Frames in each state", "life", metrics.lives)
    yield _counter("rtseg_withheld_measures", "Values of a measure that were withheld", "measure", metrics.withheld)
    if metrics.familiarity is not None:
        yield GaugeMetricFamily("rtseg_familiarity", "Familiarity of the newest picture, 0 to 1", metrics.familiarity)
    if metrics.age_s is not None:
        yield GaugeMetricFamily("rtseg_result_age_seconds", "Age of the newest result, from its capture", metrics.age_s)


def _connection_families(metrics: StreamMetrics) -> Iterator[Any]:
    if metrics.connection is None:
        return
    yield CounterMetricFamily("rtseg_reconnects", "Times a lost source was opened again", metrics.connection.reconnects)


def _counter(name: str, words: str, label: str, counts: dict[str, int]) -> Any:
    family = CounterMetricFamily(name, words, labels=[label])
    for value, count in counts.items():
        family.add_metric([value], count)
    return family


def _cumulative(stage: StageLatency) -> list[tuple[str, float]]:
    limits = [*(f"{limit:g}" for limit in BUCKETS_S), "+Inf"]
    return [(limit, float(count)) for limit, count in zip(limits, accumulate(stage.counts), strict=True)]

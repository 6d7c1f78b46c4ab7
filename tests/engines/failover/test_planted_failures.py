"""Test on each CPU engine that a failure of any kind in mid-stream loses no frame and no count."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import networks
import numpy as np
import pytest
from planted import COUNT, FAILED_AT, KINDS, check_failover, plant, stream

from rtseg.engines.failover.failover import FailoverEngine
from rtseg.engines.onnx import OnnxEngine
from rtseg.engines.openvino import OpenVinoEngine
from rtseg.pipeline import Pipeline
from rtseg.session.enhancement import Enhancement, Persistence
from rtseg.session.sector import WholeFrame
from rtseg.session.session import Session
from rtseg.session.stabilizer import DEFAULT_TEMPORAL, TemporalOptions


def torch_engine(path: Path) -> Any:
    torch = pytest.importorskip("torch")
    from rtseg.engines.torch import TorchEngine

    class Recurrent(torch.nn.Module):  # type: ignore[misc]
        def forward(self, image: Any, state: Any) -> Any:
            seen = torch.nn.functional.interpolate(image, networks.HALF)
            after = 0.5 * state + 0.5 * seen
            return after, after

    return TorchEngine(Recurrent(), networks.spec())


ENGINES: dict[str, Callable[[Path], Any]] = {"openvino": OpenVinoEngine, "onnx": OnnxEngine, "torch": torch_engine}
TEMPORAL = {"plain": None, "stabilized": DEFAULT_TEMPORAL, "every second": TemporalOptions(smoothing=0.5, flow=True, every=2)}


@pytest.mark.parametrize("temporal", TEMPORAL)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ENGINES)
def test_a_failure_loses_no_frame(name: str, kind: str, temporal: str, tiny: Path) -> None:
    engine = FailoverEngine([(name, lambda: ENGINES[name](tiny)), ("next", lambda: OpenVinoEngine(tiny))])
    check_failover(engine, lambda: plant(engine._engine, kind), OpenVinoEngine(tiny), TEMPORAL[temporal], KINDS[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_persistence_starts_afresh_with_the_next_engine(kind: str, tiny: Path) -> None:
    engine = FailoverEngine([("first", lambda: OpenVinoEngine(tiny)), ("next", lambda: OpenVinoEngine(tiny))])
    blended = Enhancement((Persistence(0.5),))
    check_failover(engine, lambda: plant(engine._engine, kind), OpenVinoEngine(tiny), None, KINDS[kind], blended)


class _Planting:
    """Delivers the frames of a stream, and plants a failure before one of them."""

    def __init__(self, stream: list[Any], engine: FailoverEngine, kind: str) -> None:
        from rtseg.frame import StreamInfo

        self.info, self._stream, self._engine, self._kind = StreamInfo(40, 56, 25.0), stream, engine, kind

    def __iter__(self) -> Iterator[Any]:
        for frame in self._stream:
            if frame.index == FAILED_AT:
                plant(self._engine._engine, self._kind)
            yield frame

    def close(self) -> None: ...


@pytest.mark.parametrize("kind", KINDS)
def test_a_pipeline_reports_each_frame_once(kind: str, tiny: Path) -> None:
    engine = FailoverEngine([("first", lambda: OnnxEngine(tiny)), ("next", lambda: OpenVinoEngine(tiny))])
    session = Session(engine, locator=WholeFrame())
    results = list(Pipeline(_Planting(stream(), engine, kind), session))
    assert [result.frame.index for result in results] == list(range(COUNT))
    assert (session.counts.new, session.counts.live, session.counts.gated) == (1, COUNT - 1, 0)
    assert [event.left for event in engine.events] == ["first"]
    assert all(np.isfinite(result.segmentation.confidence).all() for result in results)
    stages = results[FAILED_AT].trace
    assert sum(stages.stages_ns.values()) - stages.stages_ns["read"] <= stages.total_ns, "a repeated stage counts its own time"
    engine.close()

"""Test on every engine that values written into a state are read by the next run, and stay while the network keeps them."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import cv2
import networks
import numpy as np
import pytest

from rtseg.engines.adopt.adapted_engine import AdaptedEngine
from rtseg.engines.base import Engine, StateSpec
from rtseg.engines.failover.failover import FailoverEngine
from rtseg.engines.load import load_engine
from rtseg.engines.openvino import OpenVinoEngine
from rtseg.engines.reduced_input import _resize_planes, shrinkable
from rtseg.engines.watchdog import WatchedEngine
from rtseg.errors import ConfigError, ModelError


def _torch(path: Path) -> Any:
    torch = pytest.importorskip("torch")
    from rtseg.engines.torch import TorchEngine

    class Prompted(torch.nn.Module):  # type: ignore[misc]
        def forward(self, image: Any, memory: Any, point: Any, gain: Any) -> Any:
            after = (torch.nn.functional.avg_pool2d(image, 2) + memory) / 2
            return after + gain * after + point, after

    return TorchEngine(Prompted(), networks.spec(states=networks.PROMPTED_STATES))


class _Raw:
    """Runs a plain engine by the names of its ports, as `RawNetwork` does."""

    name = "raw"

    def __init__(self, path: Path) -> None:
        self._engine = OpenVinoEngine(path)
        self.spec = self._engine.spec

    def run(self, inputs: dict[str, Any]) -> dict[str, Any]:
        state = self._engine.initial_state()
        for port in self.spec.states:
            self._engine.write(state, port.input, inputs[port.input])
        logits, after = self._engine.infer(inputs[self.spec.image_input], state)
        return {self.spec.logits_output: logits.copy(), "h_out": np.array(after.now[0].data)}

    def close(self) -> None:
        self._engine.close()


def _adapted(path: Path) -> Engine:
    raw = _Raw(path)
    return AdaptedEngine(raw, raw.spec)  # type: ignore[arg-type]


def _failover(path: Path) -> Engine:
    return WatchedEngine(FailoverEngine([("first", lambda: OpenVinoEngine(path))]))


ENGINES: dict[str, Callable[[Path], Any]] = {
    "openvino": lambda path: load_engine(path, "openvino"),
    "onnx": lambda path: load_engine(path, "onnx"),
    "torch": _torch,
    "adapted": _adapted,
    "failover": _failover,
}


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest, prompted: Path) -> Iterator[Any]:
    with closing(ENGINES[request.param](prompted)) as made:
        yield made


def _x(seed: int) -> Any:
    return np.random.default_rng(seed).normal(size=(1, 1, *networks.SIZE)).astype(np.float32)


def _pooled(x: Any) -> Any:
    return x.reshape(1, 1, networks.HALF[0], 2, networks.HALF[1], 2).mean((3, 5))


def _point() -> Any:
    point = np.zeros((1, 1, *networks.HALF), np.float32)
    point[0, 0, 3, 5] = 7
    return point


def test_a_prompt_and_weights_stay_while_the_memory_goes_on(engine: Engine) -> None:
    state = engine.write(engine.initial_state(), "point_in", _point())
    state = engine.write(state, "gain_in", np.full((1, 1, 1, 1), 0.5, np.float32))
    memory = np.zeros((1, 1, *networks.HALF), np.float32)
    for seed in range(4):
        logits, state = engine.infer(_x(seed), state)
        memory = (memory + _pooled(_x(seed))) / 2
        np.testing.assert_allclose(logits, 1.5 * memory + _point(), atol=1e-5)


def test_a_memory_goes_on_from_what_is_written(engine: Engine) -> None:
    _, state = engine.infer(_x(0), engine.initial_state())
    state = engine.write(state, "h_in", _point())
    logits, _ = engine.infer(_x(1), state)
    np.testing.assert_allclose(logits, (_point() + _pooled(_x(1))) / 2, atol=1e-5)


def test_what_is_written_later_replaces_it(engine: Engine) -> None:
    state = engine.write(engine.initial_state(), "point_in", _point())
    _, state = engine.infer(_x(0), state)
    state = engine.write(state, "point_in", np.zeros_like(_point()))
    first = _pooled(_x(0)) / 2
    np.testing.assert_allclose(engine.infer(_x(1), state)[0], (first + _pooled(_x(1))) / 2, atol=1e-5)


def test_another_stream_is_not_written_to(engine: Engine) -> None:
    other = engine.initial_state()
    engine.write(engine.initial_state(), "point_in", _point())
    np.testing.assert_allclose(engine.infer(_x(0), other)[0], _pooled(_x(0)) / 2, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("click_in", _point(), r"no state 'click_in'.*point_in \(prompt\)"),
        ("point_in", np.zeros((4, 4)), "give that shape"),
        ("point_in", np.full((1, 1, *networks.HALF), np.nan), "give finite ones"),
        ("point_in", np.full((1, 1, *networks.HALF), 1e300), "give finite ones"),
        ("point_in", [["a"]], "no numbers"),
    ],
)
def test_what_cannot_be_written_is_refused(engine: Engine, name: str, values: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        engine.write(engine.initial_state(), name, values)


def test_a_reduced_engine_resizes_what_is_written(tmp_path: Path) -> None:
    path = networks.recurrent(tmp_path / "tiny.onnx")
    with closing(OpenVinoEngine(path)) as full:
        engine = shrinkable(full, path)
        assert engine is not None
        engine.is_reduced = True
        state = engine.write(engine.initial_state(), "h_in", np.full((1, 1, *networks.HALF), 3, np.float32))
        logits, state = engine.infer(np.zeros((1, 1, *networks.SIZE), np.float32), state)
        np.testing.assert_allclose(logits, np.full((1, 1, *networks.HALF), 1.5), atol=1e-5)
        engine.is_reduced = False
        logits, _ = engine.infer(np.zeros((1, 1, *networks.SIZE), np.float32), state)
        np.testing.assert_allclose(logits, np.full((1, 1, *networks.HALF), 0.75), atol=1e-5)


def test_each_view_of_a_state_is_resized_by_itself() -> None:
    views = np.arange(6, dtype=np.float32).reshape(2, 3, 1, 1) * np.ones((2, 3, 8, 12), np.float32)
    resized = _resize_planes(views, (4, 6), cv2.INTER_LINEAR)
    np.testing.assert_array_equal(resized, views[..., :4, :6])


@pytest.mark.parametrize(
    ("state", "complaint"),
    [
        (StateSpec("h_in", "", (1, 1, 4, 4)), "has no output"),
        (StateSpec("h_in", "", (1, 1, 4, 4), "mask"), "has no output"),
        (StateSpec("h_in", "h_out", (1, 1, 4, 4), "attention"), "not one of memory, mask, prompt, weights"),
        (StateSpec("h_in", "h_out", (1, 1, 4, 4), ["memory"]), "role"),  # type: ignore[arg-type]
    ],
)
def test_a_state_of_an_unknown_role_is_refused(state: StateSpec, complaint: str) -> None:
    with pytest.raises(ModelError, match=complaint):
        networks.spec(states=(state,))


def test_roles_are_stored_and_those_of_earlier_files_are_memory() -> None:
    spec = networks.spec(states=networks.PROMPTED_STATES)
    assert type(spec).from_json(spec.to_json()) == spec
    plain = networks.spec()
    assert type(plain).from_json(plain.to_json().replace(', "role": "memory"', ', "added_later": 1')) == plain

"""Test the budget on simulated times: which steps it takes, in which order, and when it restores them."""

import logging

import numpy as np
import pytest

from rtseg.budget import CALM_FRAMES, WINDOW_FRAMES, Budget, parse_budget
from rtseg.engines.load import load_engine
from rtseg.engines.reduced_input import ShrinkableEngine, shrinkable
from rtseg.errors import ConfigError
from rtseg.frame import Frame, Life, Segmentation
from rtseg.result import Result
from rtseg.session.enhancement import Enhancement
from rtseg.session.session import Session
from rtseg.session.speckle import SpeckleFilter
from rtseg.session.stabilizer import TemporalOptions
from rtseg.trace import LatencyTrace

SPECKLE, SMALLER, EVERY = "the speckle filter is off", "the network's input is smaller", "the engine runs on every 2nd frame"
IMAGE = np.zeros((64, 96), np.uint8)


class SimulatedMachine:
    """Simulates a machine: the time of each stage is its cost times the load `busy`."""

    def __init__(self, session, engine=None, limit_ms=33):
        self.session, self.engine = session, engine
        self.budget = Budget(session, limit_ms, engine)
        self.busy, self.index = 1.0, 0

    def stages_ms(self):
        yield "preprocess", 4
        if self.session.speckle:
            yield "speckle", 6
        if self.session.temporal and self.session.temporal.every > 1 and self.index % 2:
            yield "temporal", 3
        else:
            yield "infer", 12 if self.engine and self.engine.is_reduced else 20

    def run(self, frames, life=Life.LIVE):
        for _ in range(frames):
            trace = LatencyTrace(0)
            for name, ms in self.stages_ms():
                trace.add(name, trace.ended_ns, trace.ended_ns + round(self.busy * ms * 1e6))
            segmentation = Segmentation(np.zeros_like(IMAGE), ("lumen",), (0.5,), life=life)
            self.budget.observe(Result(Frame(IMAGE, self.index, 0), segmentation, trace))
            self.index += 1
        return self.budget.taken


@pytest.fixture
def engine(tiny):
    from rtseg.engines.load import model_path

    engine = shrinkable(load_engine(tiny), model_path(tiny))
    yield engine
    engine.close()


@pytest.fixture
def machine(engine):
    return SimulatedMachine(Session(engine, speckle=SpeckleFilter("median"), temporal=None), engine)


def test_nothing_is_done_while_there_is_time(machine):
    assert machine.run(500) == ()
    assert not machine.budget.events


def test_less_is_done_in_the_stated_order_and_no_more_than_is_needed(machine):
    machine.busy = 1.3
    assert machine.run(WINDOW_FRAMES) == (SPECKLE,)
    assert machine.run(200) == (SPECKLE,)
    machine.busy = 1.9
    assert machine.run(200) == (SPECKLE, SMALLER)
    machine.busy = 3.0
    assert machine.run(200) == (SPECKLE, SMALLER, EVERY)
    assert machine.session.speckle is None
    assert machine.engine.is_reduced
    assert machine.session.temporal.every == 2
    assert [event.step for event in machine.budget.events] == [SPECKLE, SMALLER, EVERY]


def test_only_speckle_filters_are_switched_off(engine):
    session = Session(engine, speckle=Enhancement.parse(["median", "log:40"]), temporal=None)
    machine = SimulatedMachine(session, engine)
    machine.busy = 1.3
    assert machine.run(WINDOW_FRAMES) == (SPECKLE,)
    assert session.speckle == Enhancement.parse(["log:40"]), "the network may be trained on it"
    other = SimulatedMachine(Session(engine, speckle=Enhancement.parse(["log:40"]), temporal=None), engine)
    other.busy = 1.3
    other.run(WINDOW_FRAMES)
    assert other.session.speckle == Enhancement.parse(["log:40"])


def test_it_is_taken_back_in_reverse_once_there_is_room(machine):
    before = machine.session.speckle
    machine.busy = 3.0
    machine.run(200)
    machine.busy = 0.9
    machine.run(CALM_FRAMES * 6)
    assert machine.budget.taken == ()
    assert [event.step for event in machine.budget.events if event.is_restored] == [EVERY, SMALLER, SPECKLE]
    assert (machine.session.speckle, machine.session.temporal, machine.engine.is_reduced) == (before, None, False)


def test_it_does_not_swing_where_there_is_no_room(machine):
    machine.busy = 1.25  # without the filter 30 ms, with it 37.5
    machine.run(3000)
    assert len(machine.budget.events) == 1


def test_a_step_that_is_taken_back_too_early_waits_longer_the_next_time(machine):
    for _ in range(6):  # another process returns as soon as a step was restored
        machine.busy = 1.3
        machine.run(WINDOW_FRAMES)
        machine.busy = 0.7
        for _ in range(5000):
            if not machine.run(1):
                break
    backs = [event.index for event in machine.budget.events if event.is_restored]
    goes = [event.index for event in machine.budget.events if not event.is_restored]
    waited = [back - went for went, back in zip(goes, backs, strict=True)]
    assert waited == sorted(waited)
    assert waited[-1] > 10 * waited[0]


def test_what_is_not_there_is_no_step(tiny):
    engine = load_engine(tiny)
    machine = SimulatedMachine(Session(engine, temporal=None))
    machine.busy = 3.0
    assert machine.run(100) == (EVERY,)
    engine.close()


def test_what_the_user_steadies_by_stays(engine):
    options = TemporalOptions(smoothing=0.5, flow=True)
    machine = SimulatedMachine(Session(engine, temporal=options), engine)
    machine.busy = 4.0
    machine.run(100)
    assert machine.session.temporal == TemporalOptions(smoothing=0.5, flow=True, every=2)
    machine.busy = 0.5
    machine.run(CALM_FRAMES * 6)
    assert machine.session.temporal == options


def test_frames_that_cost_nothing_say_nothing(machine):
    machine.busy = 9.0
    assert machine.run(500, Life.HELD) == ()
    assert machine.run(500, Life.LOST) == ()


def test_each_step_is_logged(machine, caplog):
    machine.busy = 1.3
    with caplog.at_level(logging.INFO, "rtseg.budget"):
        machine.run(WINDOW_FRAMES)
    assert caplog.messages == [f"budget of 33 ms: frame {WINDOW_FRAMES - 1}: {SPECKLE}"]


def test_run_keeps_its_budget_and_tells_each_step(tiny):
    from typer.testing import CliRunner

    from rtseg.cli.app import app

    source = "synthetic:vessel?height=240&width=320&frames=40"
    done = CliRunner().invoke(app, ["run", source, "--model", str(tiny), "--budget", "1ms", "--speckle", "srad:60"])
    assert done.exit_code == 0, done.output
    told = [line for line in done.output.splitlines() if line.startswith("budget: ")]
    assert [line.split(": ")[2] for line in told] == [SPECKLE, SMALLER, EVERY]


def test_a_run_with_words_that_are_no_budget_is_one_line(tiny):
    from typer.testing import CliRunner

    from rtseg.cli.app import app

    done = CliRunner().invoke(app, ["run", "synthetic:vessel?frames=2", "--model", str(tiny), "--budget", "soon"])
    assert done.exit_code == 1
    assert done.stderr.startswith("error: a budget is not 'soon'")


@pytest.mark.parametrize(("text", "ms"), [("33ms", 33), ("0.033s", 33), ("40", 40), (" 16.7 ms ", 16.7)])
def test_a_budget_in_words(text, ms):
    assert parse_budget(text) == pytest.approx(ms)


@pytest.mark.parametrize("text", ["", "fast", "-33ms", "33m", "1e3ms", "nan"])
def test_words_that_are_no_budget(text):
    with pytest.raises(ConfigError, match="give a time such as 33ms"):
        parse_budget(text)


@pytest.mark.parametrize("limit_ms", [0, 0.5, 70_000])
def test_a_budget_out_of_range(limit_ms, engine):
    with pytest.raises(ConfigError, match="out of range"):
        Budget(Session(engine), limit_ms)


def test_a_shrunk_engine_answers_alike_and_keeps_its_memory(engine):
    bright = np.zeros((1, 1, 32, 48), np.float32)
    bright[..., 8:24, 12:36] = 2.0
    state = engine.initial_state()
    for _ in range(6):
        whole, state = engine.infer(bright, state)
    whole = np.array(whole)
    engine.is_reduced = True
    dark = np.zeros_like(bright)
    small, state = engine.infer(dark, state)
    assert small.shape == whole.shape
    assert small[0, 0, 8, 12] == pytest.approx(whole[0, 0, 8, 12] / 2, abs=0.02)  # half of the remembered bright frames
    engine.is_reduced = False
    back, _ = engine.infer(dark, state)
    assert back[0, 0, 8, 12] == pytest.approx(whole[0, 0, 8, 12] / 4, abs=0.02)


def test_a_shrunk_session_goes_on(engine):
    session = Session(engine)
    for index in range(6):
        engine.is_reduced = index % 3 == 1
        image = np.random.default_rng(index).integers(0, 255, (64, 96), np.uint8)
        assert session.step(Frame(image, index, 0)).labels.shape == (64, 96)


def test_only_openvino_shrinks(tiny, tmp_path):
    from rtseg.engines.load import model_path

    other = load_engine(tiny, "onnx")
    assert shrinkable(other, model_path(tiny)) is None
    other.close()


def test_every_shipped_model_has_a_smaller_form():
    from rtseg.engines.load import model_path
    from rtseg.engines.zoo import shipped_models

    for name in shipped_models():
        if name.endswith("-int8"):
            continue
        engine = load_engine(name)
        both = shrinkable(engine, model_path(name))
        assert isinstance(both, ShrinkableEngine), name
        both.is_reduced = True
        height, width = both.spec.size
        logits, _ = both.infer(np.zeros((1, both.spec.channels, height, width), np.float32), both.initial_state())
        assert np.isfinite(logits).all()
        both.close()

"""Opens a model in the fastest form that this processor offers and that its stored pictures admit, measured once."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TypeVar

import numpy as np

from rtseg.engines.adopt.open_network import examine_for_use, open_checked, open_examined
from rtseg.engines.adopt.stated import StatedFacts
from rtseg.engines.base import Array, Engine, State
from rtseg.engines.choice.choice_cache import choice_path, remember_choice, remembered_choice
from rtseg.engines.choice.stored_pictures import stored_pictures
from rtseg.engines.choice.variant import Choice, Variant, fastest, variants
from rtseg.engines.failover.shadow_run import ShadowRun
from rtseg.engines.input_planes import fill_input
from rtseg.engines.load import BFLOAT16
from rtseg.engines.openvino import has_bfloat16, number_of_requests_at_once
from rtseg.errors import ConfigError, RtsegError
from rtseg.frame import Image
from rtseg.kernels.network.fit import letterbox
from rtseg.system.machine import available_cores
from rtseg.text.log_records import get_logger

_log = get_logger(__name__)

BUDGET_S = 1.0  # that trying other variants may take at the first load of a model on a machine
BUDGET_VARIABLE = "RTSEG_CHOICE_S"  # of the environment: another budget; 0: only the plain form, nothing is tried
TURNS = 15  # timed runs of each of two variants, in turns
MIN_PICTURES = 2  # stored, for a variant that rounds differently

Open = Callable[[Variant], Engine]
T = TypeVar("T")


def open_fastest(
    path: Path, stated: StatedFacts | None = None, *, threads: int = 0, is_tried: bool = False
) -> tuple[Engine, Choice]:
    """Open a model file in OpenVINO as it runs fastest here, and return why that form was chosen.

    At the first load on a machine other forms are tried for at most BUDGET_S beside the plain one, which is the reference:
    bfloat16 where the processor has it, and other numbers of threads. A form that rounds differently must agree with the plain
    one on the pictures stored in the model (see `stored_pictures`); without those it is not tried. The choice is remembered.
    threads: the number to use; 0: it is chosen too. is_tried: see `open_checked`. Raises ConfigError, ModelError, EngineError.
    """
    found = examine_for_use(path, stated)
    place, budget_s = choice_path(path, threads), choice_budget_s()

    def open_variant(variant: Variant) -> Engine:
        return open_examined(found, variant.engine, threads=variant.threads)

    if not budget_s:
        return open_checked(found, threads=threads, is_tried=is_tried), Choice(Variant(threads=threads), {}, {})
    if known := remembered_choice(place):
        return open_checked(found, known.variant.engine, known.variant.threads, is_tried=is_tried), known
    if number_of_requests_at_once() > 1:  # a trial times one request alone
        return open_checked(found, threads=threads, is_tried=is_tried), Choice(Variant(threads=threads), {}, {})
    pictures = stored_pictures(found.graph.metadata, found.spec.size)
    offered = variants(threads, available_cores(), has_bfloat16=has_bfloat16())
    began = perf_counter()
    plain_engine = open_checked(found, threads=threads, is_tried=is_tried)
    opening_s = perf_counter() - began
    trial = VariantTrial(Variant(threads=threads), plain_engine, open_variant, pictures)
    trial.run(offered, budget_s, opening_s)
    if trial.choice.times_ms or trial.choice.refused:  # else it was too busy here to try anything
        remember_choice(place, trial.choice)
    return trial.engine, trial.choice


def choice_budget_s() -> float:
    """Return the seconds that variants may be tried for. Raises ConfigError."""
    text = os.environ.get(BUDGET_VARIABLE, "")
    try:
        seconds = float(text) if text else BUDGET_S
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 3600:
        raise ConfigError(f"{BUDGET_VARIABLE}={text!r} is no time: give seconds, or 0 to try nothing")
    return seconds


class VariantTrial:
    """Tries variants of one model against its plain form, and keeps the fastest that is admitted open.

    engine: the one that stays open. choice: the result so far.
    """

    def __init__(self, plain: Variant, engine: Engine, open_variant: Open, pictures: Sequence[Image]) -> None:
        self._plain, self._open, self._pictures = plain, open_variant, pictures
        self._reference, self.engine, self._best = engine, engine, plain
        self._times: dict[Variant, float] = {}
        self._refused: dict[Variant, str] = {}

    @property
    def choice(self) -> Choice:
        """Return the variant that stays open, with all times and refusals."""
        return Choice(self._best, _named(self._times), _named(self._refused))

    def run(self, offered: Sequence[Variant], budget_s: float, opening_s: float) -> None:
        """Try variants in order, while the time allows one more that opens as long as the plain one did."""
        ends = perf_counter() + budget_s
        for variant in offered:
            if perf_counter() + opening_s > ends:
                break
            try:
                self._try(variant)
            except RtsegError as error:
                self._refused[variant] = str(error)
        if self.engine is not self._reference:
            self._reference.close()

    def _try(self, variant: Variant) -> None:
        if variant.engine == BFLOAT16 and len(self._pictures) < MIN_PICTURES:
            self._refused[variant] = "the model stores no pictures to try it on (rtseg calibrate --keep-pictures)"
            return
        engine = loser = self._open(variant)
        try:
            if self._is_best(variant, engine):
                loser, self.engine, self._best = self.engine, engine, variant
        finally:  # also where a run fails
            if loser is not self._reference:
                loser.close()

    def _is_best(self, variant: Variant, engine: Engine) -> bool:
        """Return whether a variant agrees with the plain form and is faster than all so far."""
        if variant.engine == BFLOAT16 and (problem := disagreement(self._reference, engine, self._pictures)):
            self._refused[variant] = problem
            return False
        self._times[self._plain], self._times[variant] = times_ms(self._reference, engine)
        return fastest(self._times) == variant


def disagreement(reference: Engine, other: Engine, pictures: Sequence[Image]) -> str:
    """Return why two engines do not segment the pictures alike, each with its own memory; "" where they do."""
    shadow, state = ShadowRun(other, frames=1, settling=0), reference.initial_state()
    for picture in (*pictures, *pictures):  # the second time with a memory
        fit = letterbox((0, 0, *picture.shape[:2]), reference.spec.size)
        x = fill_input(reference.spec, reference.upload(picture), fit)
        logits, state = reference.infer(x, state)
        shadow.observe(x, logits)
        if shadow.verdict is False:
            return shadow.reason
    return "" if shadow.verdict else "the plain form finds nothing in the stored pictures"


def times_ms(one: Engine, other: Engine) -> tuple[float, float]:
    """Return the median times of a run of each engine in milliseconds, measured in turns."""
    runs = [_Timed(one), _Timed(other)]
    for _ in range(TURNS):
        for timed in runs:
            timed.run()
    return runs[0].median_ms, runs[1].median_ms


class _Timed:
    """Times an engine on noise; the first run counts as warm-up."""

    def __init__(self, engine: Engine) -> None:
        spec = engine.spec
        self._engine, self._times_ms = engine, list[float]()
        self._x: Array = np.random.default_rng(0).normal(size=(1, spec.channels, *spec.size)).astype(np.float32)
        self._state: State = engine.initial_state()

    def run(self) -> None:
        began = perf_counter()
        _, self._state = self._engine.infer(self._x, self._state)
        self._times_ms.append((perf_counter() - began) * 1e3)

    @property
    def median_ms(self) -> float:
        return median(self._times_ms[1:])


def _named(values: Mapping[Variant, T]) -> dict[str, T]:
    return {str(variant): value for variant, value in values.items()}

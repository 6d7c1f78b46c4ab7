"""Measures what judging the familiarity of a frame costs, as time of the processor."""

from time import thread_time_ns
from typing import Any

import numpy as np

from rtseg.engines.base import Engine, ModelSpec
from rtseg.session.familiarity import FamiliarityJudge

TURNS = 200


def judging_cost(engine: Engine, described: ModelSpec) -> dict[str, Any]:
    """Return the milliseconds of one core that a judgement takes, in turns with the network, whose time stands beside it.

    engine: the network. described: its spec with a calibration.
    """
    judge, rng = FamiliarityJudge(described), np.random.default_rng(0)
    x = rng.standard_normal((1, engine.spec.channels, *engine.spec.size), np.float32)
    state, judging, running = engine.initial_state(), [], []
    for _ in range(TURNS):
        before = thread_time_ns()
        logits, state = engine.infer(x, state)
        between = thread_time_ns()
        judge.judge(x, logits, state)
        judging.append((thread_time_ns() - between) / 1e6)
        running.append((between - before) / 1e6)
    p95 = round(float(np.quantile(judging, 0.95)), 4)
    return {
        "median": round(float(np.median(judging)), 4),
        "p95": p95,
        "turns": TURNS,
        "network_on_this_thread": round(float(np.median(running)), 3),
    }

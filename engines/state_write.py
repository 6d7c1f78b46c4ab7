"""Checks values that are written into a network's state from outside, such as a prompt."""

import numpy as np
import numpy.typing as npt

from rtseg.engines.model_spec import ModelSpec
from rtseg.engines.spec_values import StateSpec
from rtseg.errors import ConfigError

MAX_WRITTEN = 1 << 20  # values of one state; a recording holds them in a line


def check_write(spec: ModelSpec, name: str, values: npt.ArrayLike) -> tuple[int, npt.NDArray[np.float32]]:
    """Return the position of the state with the input `name`, and the values as a float32 copy of the state's shape.

    Raises ConfigError where there is no such state, the shape differs, or a value is NaN or infinite.
    """
    state = state_named(spec, name)
    try:
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite
            copied = np.array(values, np.float32, order="C")
    except (TypeError, ValueError):
        raise ConfigError(f"the values for the state {name!r} are no numbers: give an array {state.shape}") from None
    if copied.shape != state.shape:
        raise ConfigError(f"the state {name!r} of {spec.name!r} is {state.shape}, not {copied.shape}: give that shape")
    if copied.size > MAX_WRITTEN:
        raise ConfigError(f"the state {name!r} has {copied.size} values and {MAX_WRITTEN} may be written: use a smaller --size")
    if not np.isfinite(copied).all():
        raise ConfigError(f"the values for the state {name!r} hold NaN or infinity: give finite ones")
    return spec.states.index(state), copied


def state_named(spec: ModelSpec, name: str) -> StateSpec:
    """Return the state with the input `name`. Raises ConfigError."""
    for state in spec.states:
        if state.input == name:
            return state
    known = ", ".join(f"{state.input} ({state.role})" for state in spec.states)
    raise ConfigError(
        f"{spec.name!r} has no state {name!r}: " + (f"give one of {known}" if known else "use a network that has states")
    )

"""Judges how fit a frame is for one measure, so that the best frame of a stream can be told."""

from rtseg.measured_value import MeasuredValue

UNFIT = -1.0
MIN_GAIN = 0.002  # of the fitness, from which a better frame replaces the one before


def measure_fitness(one: MeasuredValue, confidence: float, *, is_steady: bool) -> float:
    """Return the fitness of a value: a sure network, a narrow range and a steady frame are better; UNFIT without a value.

    confidence: of the classes that are measured, in [0, 1].
    """
    if one.value is None:
        return UNFIT
    width = abs(one.high - one.low) if one.low is not None and one.high is not None else abs(one.value)
    return confidence - 0.5 * min(1.0, width / max(abs(one.value), 1e-9)) + (1.0 if is_steady else 0.0)

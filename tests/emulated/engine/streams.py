"""Creates frames for the emulated engine, and segments them in a session."""

from typing import Any

import numpy as np
from emulated.driver.device import ALL_LATE

from rtseg.frame import Frame
from rtseg.session.sector import WholeFrame
from rtseg.session.session import Session

COPIES_LATE, WORK_LATE = 0b10, 0b01  # the work stream is created first
ORDERS = [0, ALL_LATE, COPIES_LATE, WORK_LATE]


def frames(count: int, shape: tuple[int, ...] = (40, 56), seed: int = 3) -> list[Frame]:
    """Draw a bright moving rectangle on a dark noisy background, so that the state matters and frames differ."""
    random = np.random.default_rng(seed)
    made = []
    for index in range(count):
        image = random.integers(0, 90, shape, np.uint8)
        image[4 + index : 20 + index, 10:30] = 220 - 5 * index
        made.append(Frame(image, index, 0))
    return made


def segmented(engine: Any, stream: list[Frame]) -> list[np.ndarray]:
    session = Session(engine, temporal=None, locator=WholeFrame())
    return [session.step(frame).labels.copy() for frame in stream]


def alike(found: list[np.ndarray], expected: list[np.ndarray]) -> bool:
    return all((own == other).all() for own, other in zip(found, expected, strict=True))

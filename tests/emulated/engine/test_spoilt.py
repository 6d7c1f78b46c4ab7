"""Tests corrupted frames on the emulated GPU: masks are warped as on the host, and the state stays unchanged."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spoilt
from emulated.engine.streams import ORDERS, alike
from emulated.engine.test_steady import on_host, session_of, wavering

from rtseg.frame import Frame, Life
from rtseg.session.stabilizer import DEFAULT_TEMPORAL


def spoilt_stream() -> list[Frame]:
    """Return 13 frames, the eighth and ninth with another gain."""
    return [replace(one, image=spoilt.dimmed(one.image)) if 7 <= one.index < 9 else one for one in wavering(13)]


@pytest.mark.parametrize("engine", ORDERS, indirect=True)
@pytest.mark.parametrize("temporal", [DEFAULT_TEMPORAL, None], ids=["STEADY", "unsteadied"])
def test_masks_are_carried_as_on_the_host_whatever_is_late(engine: Any, tiny: Path, temporal: Any) -> None:
    stream, session = spoilt_stream(), session_of(engine, temporal=temporal)
    found = [session.step(frame) for frame in stream]
    assert [one.life for one in found[6:11]] == [Life.LIVE, *[Life.SPOILT] * 2, *[Life.LIVE] * 2]
    assert session.counts.spoilt == 2
    assert alike([one.labels for one in found], on_host(tiny, stream, temporal=temporal))


def test_afterwards_all_is_as_if_they_had_never_been(engine: Any, tiny: Path) -> None:
    stream, session = spoilt_stream(), session_of(engine)
    found = [session.step(frame).labels.copy() for frame in stream]
    kept = [frame for frame in stream if not 7 <= frame.index < 9]
    for frame, expected in zip(kept, on_host(tiny, kept), strict=True):
        np.testing.assert_array_equal(found[frame.index], expected)

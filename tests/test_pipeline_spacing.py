"""Test that a pipeline gives its session the spacing of the source."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from session.streams import frame_of

from rtseg.engines.load import load_engine
from rtseg.frame import Frame, Life, Spacing, StreamInfo
from rtseg.pipeline import Pipeline
from rtseg.replay import RedactedSession
from rtseg.session.sector import WholeFrame
from rtseg.session.session import Session


class _Scan:
    """Delivers a picture with tissue, one that stands still and one without contact."""

    def __init__(self, spacing_mm: Spacing | None) -> None:
        self.info = StreamInfo(64, 96, 25.0, spacing_mm=spacing_mm)

    def __iter__(self) -> Iterator[Frame]:
        yield frame_of(0)
        yield frame_of(1)
        yield replace(frame_of(2), image=np.zeros((64, 96), np.uint8))

    def close(self) -> None: ...


def spacings(session: Session, spacing_mm: Spacing | None) -> set[Spacing | None]:
    results = list(Pipeline(_Scan(spacing_mm), session))
    assert {result.segmentation.life for result in results} == {Life.NEW, Life.HELD, Life.LOST}
    return {result.segmentation.spacing_mm for result in results}


@pytest.mark.parametrize("kind", [Session, RedactedSession])
def test_the_source_s_spacing_holds_unless_the_user_gives_one(tiny: Path, kind: type[Session]):
    engine = load_engine(tiny)
    assert spacings(kind(engine, locator=WholeFrame()), (0.1, 0.2)) == {(0.1, 0.2)}
    assert spacings(kind(engine, locator=WholeFrame(), spacing_mm=(0.3, 0.3)), (0.1, 0.2)) == {(0.3, 0.3)}
    assert spacings(kind(engine, locator=WholeFrame()), None) == {None}
    engine.close()


def test_a_source_s_spacing_does_not_outlast_its_stream(tiny: Path):
    engine = load_engine(tiny)
    session = Session(engine, locator=WholeFrame())
    assert spacings(session, (0.1, 0.2)) == {(0.1, 0.2)}
    assert spacings(session, None) == {None}
    assert spacings(session, (0.5, 0.5)) == {(0.5, 0.5)}
    engine.close()

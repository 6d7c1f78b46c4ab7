"""Tests that a user's own sources play: one with the three members of `Source`, and live ones."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rtseg.cli.options.live import print_reconnects
from rtseg.connection import ConnectionEvent, LinkState
from rtseg.doctor.source import inspect_source
from rtseg.engines.load import load_engine
from rtseg.frame import Frame, StreamInfo
from rtseg.pipeline import Pipeline
from rtseg.session.session import Session
from rtseg.sources.base import SourceDiagnostics, as_connected_source, as_live_source

FRAMES = 6


class MinimalSource:
    """Has no more than the three members of `Source`."""

    info = StreamInfo(48, 64, 100.0)

    def __iter__(self) -> Iterator[Frame]:
        for index in range(FRAMES):
            yield Frame(np.full((48, 64), index, np.uint8), index, index + 1)

    def close(self) -> None:
        """Do nothing."""


class ConnectedUserSource(MinimalSource):
    """Reports its connection, and leaves it to the pipeline to keep the newest frame."""

    info = replace(MinimalSource.info, live=True)
    events = (ConnectionEvent(LinkState.OPENING, 1, ""), ConnectionEvent(LinkState.LIVE, 2, "as always"))
    reconnects = 2


class LiveUserSource(ConnectedUserSource):
    """Has everything that a live source may have."""

    counts = dict.fromkeys(LinkState, 0) | {LinkState.LOST: 3}
    state = LinkState.LIVE

    def __init__(self) -> None:
        self.kept_newest: list[Callable[[Frame], None] | None] = []

    def diagnostics(self) -> SourceDiagnostics:
        """Return fixed findings."""
        return SourceDiagnostics("own format", damaged=4, clock_jumps=5)

    def keep_newest(self, expect: Callable[[Frame], None] | None = None) -> None:
        """Record the call."""
        self.kept_newest.append(expect)


@pytest.fixture
def session(tiny: Path):
    engine = load_engine(tiny, threads=1)
    yield Session(engine)
    engine.close()


def test_a_minimal_source_is_played_and_inspected(session: Session, capsys: pytest.CaptureFixture[str]):
    assert len(list(Pipeline(MinimalSource(), session))) == FRAMES
    report = inspect_source(MinimalSource(), seconds=5)
    assert (report.frames, report.format, report.events) == (FRAMES, "a recording", {})
    print_reconnects(MinimalSource())
    assert not capsys.readouterr().out
    assert as_live_source(MinimalSource()) is as_connected_source(MinimalSource()) is None


def test_the_events_of_a_source_that_keeps_no_newest_frame_are_reported(session: Session):
    source = ConnectedUserSource()
    pipeline = Pipeline(source, session)
    assert pipeline.run().events is source.events
    assert (as_connected_source(source), as_live_source(source)) == (source, None)


def test_a_live_source_of_a_user_is_treated_as_those_of_rtseg(session: Session, capsys: pytest.CaptureFixture[str]):
    source = LiveUserSource()
    assert len(list(Pipeline(source, session))) == FRAMES, "without a mailbox, nothing is dropped"
    assert source.kept_newest == [session.expect]
    report = inspect_source(source, seconds=5)
    assert (report.format, report.damaged, report.clock_jumps, report.events) == ("own format", 4, 5, {"lost": 3})
    print_reconnects(source)
    assert "lost 3 times" in capsys.readouterr().out

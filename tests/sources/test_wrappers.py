"""Tests that a source that wraps a live source reports its connection, and keeps its newest frame."""

import ast
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from claims.checkout import ROOT, modules

from rtseg.bench.line.glass_to_glass import StampedSource
from rtseg.cli.options.live import print_reconnects
from rtseg.connection import ConnectionEvent, LinkState
from rtseg.doctor.source import inspect_source
from rtseg.engines.load import load_engine
from rtseg.frame import Frame, StreamInfo
from rtseg.pipeline import Pipeline
from rtseg.session.session import Session
from rtseg.sources.base import Source, SourceDiagnostics, SourceWrapper, as_connected_source, as_live_source
from rtseg.sources.playback import LoopingSource, PacedSource

FRAMES = 4
FORWARDS_NOTHING = {
    "ReconnectingSource",  # it makes the events of its links
    "PreloadedSource",  # the source that it read is closed
}


class RecordedLink:
    """Is a live source of FRAMES frames that was lost once."""

    info = StreamInfo(96, 512, 100.0, live=True)
    reconnects = 1
    state = LinkState.LIVE

    def __init__(self) -> None:
        self.events = [ConnectionEvent(LinkState.LOST, 1, "the cable"), ConnectionEvent(LinkState.LIVE, 2, "")]
        self.counts = dict.fromkeys(LinkState, 0) | {LinkState.LOST: 1, LinkState.LIVE: 1}
        self.kept_newest: list[Callable[[Frame], None] | None] = []

    def diagnostics(self) -> SourceDiagnostics:
        """Return fixed findings."""
        return SourceDiagnostics("own format", damaged=4, clock_jumps=5)

    def keep_newest(self, expect: Callable[[Frame], None] | None = None) -> None:
        """Record the call."""
        self.kept_newest.append(expect)

    def __iter__(self) -> Iterator[Frame]:
        for index in range(FRAMES):
            yield Frame(np.full((96, 512), index, np.uint8), index, index + 1)

    def close(self) -> None:
        """Do nothing."""


class Recording:
    """Has no more than the members of `Source`."""

    info = StreamInfo(96, 512, 100.0)

    def __iter__(self) -> Iterator[Frame]:
        return iter(RecordedLink())

    def close(self) -> None:
        """Do nothing."""


WRAPPERS: dict[str, Callable[[Source], SourceWrapper]] = {
    "looping": lambda source: LoopingSource(lambda: source, FRAMES),
    "paced": PacedSource,
    "stamped": StampedSource,
    "all of them": lambda source: StampedSource(PacedSource(LoopingSource(lambda: source, FRAMES))),
}


@pytest.fixture
def session(tiny: Path):
    engine = load_engine(tiny, threads=1)
    yield Session(engine)
    engine.close()


@pytest.mark.parametrize("name", WRAPPERS)
def test_a_wrapped_live_source_reports_its_connection(name: str, session: Session, capsys: pytest.CaptureFixture[str]):
    link = RecordedLink()
    source = WRAPPERS[name](link)
    pipeline = Pipeline(source, session)
    report = pipeline.run()
    assert list(report.events) == link.events
    assert pipeline._reconnects == 1
    assert len(link.kept_newest) == 1, "the link keeps the newest frame itself, and no mailbox is behind it"
    assert link.kept_newest == [None if "stamped" in name or "all" in name else session.expect]
    print_reconnects(source)
    assert "lost 1 times" in capsys.readouterr().out
    found = inspect_source(WRAPPERS[name](link), seconds=5)
    assert (found.format, found.damaged, found.clock_jumps, found.events) == ("own format", 4, 5, {"lost": 1})


@pytest.mark.parametrize("name", WRAPPERS)
def test_a_wrapped_recording_is_no_live_source(name: str):
    source = WRAPPERS[name](Recording())
    assert as_live_source(source) is as_connected_source(source) is None
    assert (list(source.events), source.reconnects, source.diagnostics()) == ([], 0, SourceDiagnostics())


def test_a_repeated_live_source_sums_over_its_passes():
    links: list[RecordedLink] = []

    def opened() -> RecordedLink:
        links.append(RecordedLink())
        return links[-1]

    source = LoopingSource(opened, 3 * FRAMES)
    events = source.events
    source.keep_newest()
    assert len(list(islice(source, 2 * FRAMES + 1))) == 2 * FRAMES + 1
    assert [link.kept_newest for link in links] == [[None]] * 3, "each pass keeps the newest frame"
    assert len(events) == len(list(events)) == 6, "the collection that was handed out at first shows all passes"
    assert links[0].events[0] in events
    assert (source.reconnects, source.counts[LinkState.LOST], source.counts[LinkState.LIVE]) == (3, 3, 3)


def wrapping_classes(source: str) -> dict[str, list[str]]:
    """Return the bases of each class that is a source and takes a source in its constructor."""
    found = {}
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.ClassDef):
            continue
        functions = {one.name: one for one in node.body if isinstance(one, ast.FunctionDef)}
        made = functions.get("__init__")
        given = [ast.unparse(one.annotation) for one in made.args.args if one.annotation] if made else []
        takes = any("Source" in words.replace("[", " ").replace("]", " ").split() for words in given)
        if takes and {"info", "__iter__"} <= functions.keys():
            found[node.name] = [ast.unparse(base) for base in node.bases]
    return found


def test_each_source_that_wraps_a_source_forwards_its_connection():
    found = {name: bases for path in modules() for name, bases in wrapping_classes((ROOT / path).read_text()).items()}
    assert found.keys() >= {"LoopingSource", "PacedSource", "StampedSource"}
    plain = {name for name, bases in found.items() if "SourceWrapper" not in bases}
    assert plain - {"SourceWrapper"} == FORWARDS_NOTHING, "derive a wrapper from rtseg.sources.base.SourceWrapper"

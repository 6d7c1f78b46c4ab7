"""The options of `rtseg run` that record a stream, and what is told of a recording and of its replay."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from rtseg.cli.app import console
from rtseg.engines.base import Engine
from rtseg.errors import ConfigError
from rtseg.replay import CoveredSession, ReplayedSession
from rtseg.session.sector import locator
from rtseg.session.session import Session
from rtseg.sinks.base import Sink
from rtseg.sinks.recording.sink import RecordSink
from rtseg.sources.base import Source
from rtseg.sources.files.replay import Replay

RecordOption = Annotated[
    Path | None, typer.Option("--record", help="Record frames, times and decisions into this folder, for replay:FOLDER.")
]


def session_for(source: Source, network: Engine, sector: str, covered: bool, **options: Any) -> Session:
    """The session that a source wants; covered: it sees no more of a frame than a recording keeps. Raises ConfigError."""
    if isinstance(source, Replay):
        if sector != "auto":
            raise ConfigError("a replay has the sector of its recording: leave --sector out")
        return ReplayedSession(network, **options)
    kind = CoveredSession if covered else Session
    return kind(network, locator=locator(sector), **options)


def recording(folder: Path | None, session: Session, model: str, keep_surroundings: bool) -> list[Sink]:
    """The recorder, where one was asked for."""
    return [RecordSink(folder, session, model=model, keep_surroundings=keep_surroundings)] if folder else []


def tell_recorded(session: Session, sinks: Iterable[Sink]) -> None:
    """What a recording lacks, and whether a replay gave the masks of then."""
    for sink in sinks:
        if isinstance(sink, RecordSink) and sink.broken:
            console.print(f"the recording ends early: {sink.broken}", style="yellow", markup=False)
        if isinstance(sink, RecordSink) and sink.dropped:
            console.print(f"the recording lacks {sink.dropped} frames: the disk was slower than the stream", style="yellow")
    if isinstance(session, ReplayedSession):
        frames = session.equal + session.different
        words = f"{session.equal} of {frames} masks are those of the recording, bit for bit"
        console.print(words, style="yellow" if session.different else "", highlight=False)

"""The options of `rtseg run` that record a stream, and the messages about a recording and its replay."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from rtseg.cli.app import console
from rtseg.engines.base import Engine
from rtseg.errors import ConfigError
from rtseg.replay import RedactedBeamSpaceSession, RedactedSession, ReplayedBeamSpaceSession, ReplayedSession
from rtseg.session.beam_grid import BeamGeometry
from rtseg.session.beam_space import BeamSpaceSession
from rtseg.session.depth_scale.scaled_source import ScaledSource
from rtseg.session.redaction import RedactionMode
from rtseg.session.sector import Locator, parse_locator
from rtseg.session.sector.scanner_card import CardLocator, read_card
from rtseg.session.session import Session
from rtseg.sinks.base import Sink
from rtseg.sinks.recording.sink import RecordSink
from rtseg.sources.base import Source
from rtseg.sources.files.replay import Replay

RecordOption = Annotated[
    Path | None, typer.Option("--record", help="Record frames, times and decisions to this folder, for replay:FOLDER.")
]


def make_session(
    source: Source,
    network: Engine,
    sector: str | Locator,
    redact: RedactionMode,
    *,
    geometry: BeamGeometry | None = None,
    **options: Any,
) -> Session:
    """Create the session for a source. Raises ConfigError.

    redact: the network sees the frames redacted in this way, as a recording keeps them, so that a replay gives the same masks;
    OFF: it sees them as they are.
    geometry: of the scan lines on which the network runs; None: it runs on the frames. A replay needs that of its recording.
    """
    options |= {"geometry": geometry} if geometry else {}
    if isinstance(source, Replay):
        if sector != "auto":
            raise ConfigError("a replay has the sector of its recording: leave --sector out, and --scanner")
        return (ReplayedBeamSpaceSession if geometry else ReplayedSession)(network, **options)
    options["locator"] = parse_locator(sector) if isinstance(sector, str) else sector
    if redact is RedactionMode.OFF:
        return (BeamSpaceSession if geometry else Session)(network, **options)
    return (RedactedBeamSpaceSession if geometry else RedactedSession)(network, redact=redact, **options)


def sector_option(sector: str, scanner: Path | None) -> str | Locator:
    """Return the value of `--sector`, or the locator of the card of `--scanner`. Raises ConfigError where both are given."""
    if scanner is None:
        return sector
    if sector != "auto":
        raise ConfigError("a scanner card says where the sector is: leave --sector or --scanner out")
    return CardLocator(read_card(scanner), scanner.name)


def scaled_source(source: Source, scanner: Path | None) -> Source:
    """Return the source with the pixel size of the card of `--scanner`, where that states one. Raises ConfigError."""
    card = read_card(scanner) if scanner else None
    return ScaledSource(source, card) if card and card.scale.mm_per_pixel else source


def recording_sinks(folder: Path | None, session: Session, model: str, keep_surroundings: bool) -> list[Sink]:
    """Return the recorder in a list, or an empty list if there is no folder."""
    return [RecordSink(folder, session, model=model, keep_surroundings=keep_surroundings)] if folder else []


def print_recording_result(session: Session, sinks: Iterable[Sink]) -> None:
    """Print which frames a recording lacks, and how many masks of a replay equal the recorded ones."""
    for sink in sinks:
        if isinstance(sink, RecordSink) and sink.broken:
            console.print(f"the recording ends early: {sink.broken}", style="yellow", markup=False)
        if isinstance(sink, RecordSink) and sink.dropped:
            console.print(f"the recording lacks {sink.dropped} frames: the disk was slower than the stream", style="yellow")
    if isinstance(session, ReplayedSession):
        frames = session.equal + session.different
        words = f"{session.equal} of {frames} masks are those of the recording, bit for bit"
        console.print(words, style="yellow" if session.different else "", highlight=False)

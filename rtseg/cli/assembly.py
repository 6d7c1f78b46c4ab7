"""Assembles the pipeline of one stream from the options of `rtseg run`, and prints how it ended."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rtseg.cli.app import console
from rtseg.cli.options.beam_space import beam_geometry
from rtseg.cli.options.budget import budget_sinks
from rtseg.cli.options.display import connect_pages
from rtseg.cli.options.enhance import parse_enhancement
from rtseg.cli.options.familiarity import print_familiarity
from rtseg.cli.options.igtl import print_missed
from rtseg.cli.options.live import print_reconnects
from rtseg.cli.options.measures import measure_names
from rtseg.cli.options.omissions import check_strict, print_omitted, report_omissions
from rtseg.cli.options.outputs import print_written
from rtseg.cli.options.plugins import plugin_sinks, print_failed_sinks
from rtseg.cli.options.postprocess import parse_postprocess
from rtseg.cli.options.prompts import point
from rtseg.cli.options.record import make_session, print_recording_result, recording_sinks, scaled_source, sector_option
from rtseg.cli.options.redaction import print_redaction
from rtseg.cli.options.stream import StreamOptions
from rtseg.engines.base import Engine
from rtseg.pipeline import Companion, Pipeline
from rtseg.session.companion import CompanionSession
from rtseg.session.redaction import RedactionMode
from rtseg.session.session import Session
from rtseg.sinks.base import Sink
from rtseg.sinks.igtl.sink import IgtlSink
from rtseg.sinks.systemd import watchdog_sinks
from rtseg.sinks.video.sink import VideoSink
from rtseg.sources import Source, open_source
from rtseg.sources.base import omitted_parts
from rtseg.sources.files.replay import without_gaps


@dataclass(frozen=True, slots=True)
class StreamModel:
    """Holds one model of a stream."""

    model: str
    """A shipped model's name, or the network's file."""
    engine: Engine
    """Runs the model for this stream alone."""
    options: StreamOptions
    """The options of the stream, with the outputs of this model."""

    def written_sinks(self, source: str) -> list[Sink]:
        """Return the sinks that write files, and those of plug-ins. Raises SinkError, ConfigError, PluginError."""
        options, spec = self.options, self.engine.spec
        written = options.files.sinks(options.opacity, spec.name, source=source, model=self.model)
        return written + options.dicom.sinks(spec, source=source, model=self.model) + plugin_sinks(options.sink)

    def live_sinks(self) -> list[Sink]:
        """Return the sinks that show the results while the stream runs. Raises ConfigError."""
        options = self.options
        return options.display.sinks(options.opacity) + options.igtl_output.sinks(options.opacity)

    def session_options(self) -> dict[str, Any]:
        """Return the arguments of a session that the options give. Raises ConfigError."""
        options = self.options
        return {
            "spacing_mm": options.spacing,
            "temporal": options.stabilization.options(),
            "speckle": parse_enhancement(options.speckle),
            "postprocess": parse_postprocess(options.postprocess),
            "engine_timeout_s": options.engine_timeout,
            "measures": measure_names(options.measures),
        }

    def apply_settings(self, session: Session) -> None:
        """Give a session the settings that are no arguments of it."""
        session.settings = replace(
            session.settings,
            uncertainty=self.options.uncertainty,
            measure_unfamiliar=self.options.measure_unfamiliar,
            probabilities=self.options.dicom.needs_probabilities,
        )


def assemble(
    source: str, model: StreamModel, others: Sequence[StreamModel] = (), watchdog: Sequence[Sink] | None = None
) -> Pipeline:
    """Open a source and return its pipeline.

    others: further models on the same frames. watchdog: the sinks that notify systemd; None: one for this stream alone.

    Raises SourceError, SinkError, ConfigError, PluginError.
    """
    options = model.options
    source = without_gaps(source) if options.skip_gaps else source
    written = model.written_sinks(source)
    named = open_source(source, fps=options.fps)
    live = model.live_sinks()
    check_strict(named, strict=options.strict)
    opened = options.display.playback_source(source, named, at_its_pace=bool(live) and not written, fps=options.fps)
    opened = scaled_source(opened, options.scanner)
    session = _session(named, model)
    point(session, options.prompts.parse(), opened.info)
    connect_pages(live, session, opened)
    spec, redaction = model.engine.spec, options.redaction
    recorder = recording_sinks(options.record, session, spec.name, redaction is RedactionMode.OFF)
    notified = watchdog_sinks() if watchdog is None else watchdog
    sinks = [*written, *live, *notified, *recorder, *budget_sinks(options.budget, session, model.engine)]
    report_omissions(sinks, opened)
    return Pipeline(
        opened,
        session,
        *sinks,
        warmup=options.warmup,
        redact=redaction,
        policy=options.policy,
        max_age_ms=options.max_age,
        companions=[_companion(other, source, opened, session) for other in others],
    )


def _session(source: Source, model: StreamModel) -> Session:
    options = model.options
    session = make_session(
        source,
        model.engine,
        sector_option(options.sector, options.scanner),
        redact=options.redaction if options.record else RedactionMode.OFF,
        geometry=beam_geometry(options.beam_space),
        **model.session_options(),
    )
    model.apply_settings(session)
    return session


def _companion(model: StreamModel, source: str, opened: Source, lead: Session) -> Companion:
    session = CompanionSession(model.engine, lead, **model.session_options())
    model.apply_settings(session)
    live = model.live_sinks()
    connect_pages(live, session, opened)
    sinks = model.written_sinks(source) + live
    report_omissions(sinks, opened)
    return Companion(session, *sinks)


def print_warnings(pipeline: Pipeline) -> None:
    """Print what a stream that has ended lacks, withheld or looks wrong about."""
    for warning in [*pipeline.report.warnings, *(text for one in pipeline.companions for text in one.report.warnings)]:
        console.print(warning, style="yellow", highlight=False, markup=False)
    print_reconnects(pipeline.source)
    print_omitted(pipeline.source)
    _print_dropped(pipeline.sinks)
    print_redaction(pipeline.report.redaction)
    sessions = [pipeline.session, *(one.session for one in pipeline.companions)]
    for session in sessions:
        print_familiarity(session.counts, is_measured=session.settings.measure_unfamiliar)
    print_recording_result(pipeline.session, pipeline.sinks)


def print_outputs(options: StreamOptions, sinks: Sequence[Sink]) -> None:
    """Print the paths of the files that were written."""
    options.files.print_paths()
    options.dicom.print_paths(sinks)
    print_written(options.record)


def is_left_out(pipeline: Pipeline) -> bool:
    """Print which plug-ins' sinks failed; return whether any did, or the source left out a part."""
    sinks = [*pipeline.sinks, *(sink for one in pipeline.companions for sink in one.sinks)]
    return print_failed_sinks(sinks) or bool(omitted_parts(pipeline.source))


def _print_dropped(sinks: Iterable[Sink]) -> None:
    for sink in sinks:
        if isinstance(sink, VideoSink) and sink.dropped:
            console.print(f"the video lacks {sink.dropped} frames: encoding was slower than the stream", style="yellow")
        if isinstance(sink, IgtlSink):
            print_missed(sink)

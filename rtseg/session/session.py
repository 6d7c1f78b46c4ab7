"""Segment one stream with one engine; the session alone holds the state that passes from frame to frame."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rtseg import kernels
from rtseg.engines.base import Engine
from rtseg.engines.capabilities import Capturing, Prefetching
from rtseg.engines.class_postprocess import ClassPostprocess, merged
from rtseg.engines.tracker_states import TrackerStates
from rtseg.engines.watchdog import FILE_TIMEOUT_S, LIVE_TIMEOUT_S, check_timeout
from rtseg.errors import require_members
from rtseg.frame import Frame, Life, Segmentation, Spacing, StreamInfo
from rtseg.measure.biometry import RequestedMeasure
from rtseg.measure.region import measure
from rtseg.session.enhancement import ViewFilter
from rtseg.session.judgement import Judgement
from rtseg.session.lifecycle import Lifecycle, LifecycleLimits
from rtseg.session.postprocess import check_classes
from rtseg.session.prompted_objects import PromptedObjects
from rtseg.session.redaction import Redactor
from rtseg.session.sector import FixedSector, Locator, Sector, SectorFinder, SectorKind, WholeFrame
from rtseg.session.sector.clip import SectorClip
from rtseg.session.sector.shape import unknown_sector
from rtseg.session.session_measures import SessionMeasures
from rtseg.session.settings import AdjustableSettings, SessionSettings
from rtseg.session.stabilizer import DEFAULT_TEMPORAL, TemporalOptions
from rtseg.session.watched_segmenter import WatchedSegmenter
from rtseg.spacing import GivenSpacing, StreamSpacing, check_given
from rtseg.text.log_records import get_logger
from rtseg.trace import LatencyTrace, MemoryCounts

_log = get_logger(__name__)

_FRAME_REMEDY = "make one by rtseg.Frame(image, index, time.perf_counter_ns())"
_RESETTING = (Life.NEW, Life.CUT, Life.GAP)


class Session(AdjustableSettings, PromptedObjects):
    """Segments the frames of one stream, in order, with a memory of earlier frames.

    engine: runs the network; it is not closed here, since several sessions may use it one after another, but not at the same
    moment. engine_timeout_s: the time after which a call to the engine counts as hung and the next engine takes over; None: 1 s
    on live sources and 10 s else, 0: never. spacing_mm: millimeters per pixel (down, along), or one number, the height of a
    pixel; None: that of each frame, or of the stream, see `StreamSpacing`. postprocess: replaces the model's own for the
    classes that it names. measures: names of what is measured on each frame, see `request_measures`; None: those of the model.
    counts: frames of each state so far. sector: of the newest frame. redactor: redacts the frames before they are segmented;
    None: nothing does. writes: into the network's states. The others are the first `settings`. Raises ConfigError and
    WrongArgument.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        threshold: float = 0.5,
        spacing_mm: GivenSpacing | None = None,
        limits: LifecycleLimits | None = None,
        temporal: TemporalOptions | None = DEFAULT_TEMPORAL,
        speckle: ViewFilter | None = None,
        locator: Locator | None = None,
        postprocess: Sequence[ClassPostprocess] = (),
        engine_timeout_s: float | None = None,
        measures: Sequence[str] | None = None,
    ) -> None:
        require_members(engine, ("spec", "infer", "upload"), "the engine of a session", "load it by rtseg.load_engine(MODEL)")
        self._engine, self._spacing = engine, StreamSpacing(spacing_mm)
        self._known_spacing_mm: Spacing | None = None  # of the newest frame
        self._engine_timeout_s = check_timeout(engine_timeout_s)
        super().__init__(SessionSettings(threshold, temporal, speckle, locator=locator or SectorFinder()))
        self._settings = self.settings  # of the newest frame
        self._prefetching = engine if isinstance(engine, Prefetching) else None
        self.counts = MemoryCounts()
        self._lifecycle = Lifecycle(limits)
        cleaning = merged(engine.spec.postprocess, check_classes(postprocess, engine.spec.classes))
        has_objects = TrackerStates.of(engine.spec) is not None
        self._measures = SessionMeasures(engine.spec, measures, has_objects=has_objects)
        limits, is_measured = limits or LifecycleLimits(), self._measures.is_requested and not has_objects
        self._segmenter = WatchedSegmenter(engine, self._settings, limits, self.counts, cleaning, is_measured=is_measured)
        self.writes = self._segmenter.writes
        self._begin_tracking(engine.spec)
        self._limit_engine(FILE_TIMEOUT_S)
        self.sector = unknown_sector((0, 0))
        self.redactor: Redactor | None = None
        self._clip = SectorClip()
        self.memory_reset: Judgement | None = None  # of the newest frame, where the memory starts afresh with it
        self.judgement = Judgement(Life.NEW, "")  # of the newest frame
        self._is_stream_ultrasound = False  # whether the source states that there is no screen around it
        self._last_segmentation: Segmentation | None = None  # of the newest segmented frame
        self._reset_request = self._reset_reason = ""  # of a reset that was requested, and of one that applies with contact

    @property
    def spacing_mm(self) -> GivenSpacing | None:
        """Return the user's spacing; None: each frame has that of its source. Set it before a stream. Raises ConfigError."""
        return self._spacing.given

    @spacing_mm.setter
    def spacing_mm(self, given: GivenSpacing | None) -> None:
        check_given(given)
        self._spacing.given = given

    @property
    def warnings(self) -> list[str]:
        """Return what looks wrong about the network's answers so far, in one line each."""
        return self._segmenter.guard.warnings

    @property
    def classes(self) -> tuple[str, ...]:
        """Return the names of the classes, without the background; those of the objects that are followed."""
        return tuple(self._tracking.places) if self._tracking else self._engine.spec.classes

    @property
    def requested_measures(self) -> tuple[RequestedMeasure, ...]:
        """Return what is measured on each frame."""
        return self._measures.requested

    @property
    def is_sector_stated(self) -> bool:
        """Return whether the user or the source stated where the ultrasound is."""
        return self._is_stream_ultrasound or isinstance(self.settings.locator, FixedSector | WholeFrame)

    def step(self, frame: Frame, trace: LatencyTrace | None = None) -> Segmentation:
        """Segment the next frame and add the time of each stage to `trace`. Raises EngineError.

        A held frame shares the labels array of the frame that it repeats: do not write to it. Raises WrongArgument.
        """
        require_members(frame, ("image", "index", "captured_ns"), "the frame of a step", _FRAME_REMEDY)
        return self._step(frame, trace or LatencyTrace(frame.captured_ns), self.settings)

    def expect(self, frame: Frame) -> None:
        """Start to upload a frame that `step` gets soon, where the engine can prefetch. Callable from any thread."""
        if self._prefetching:
            self._prefetching.prefetch(frame.image)

    def reset(self, reason: str) -> None:
        """Forget every frame so far, so that the next one begins a new stream. Callable from any thread."""
        self._reset_request = reason

    def close(self) -> None:
        """End the thread in which the engine runs; the engine stays open, and another frame may follow."""
        self._segmenter.close()

    def warm_up(self, info: StreamInfo) -> None:
        """Run what is slow the first time (compilation, lazy buffers) before the stream's first frame arrives.

        info: the stream to come; its spacing holds for frames of its size that state none, unless the session has its own.
        """
        self._lifecycle.live, self._is_stream_ultrasound = info.live, info.only_ultrasound
        self._spacing.begin(info)
        self._limit_engine(FILE_TIMEOUT_S)  # first calls are slow, and nobody watches yet
        kernels.warm_up()
        frame = Frame(np.resize(np.arange(256, dtype=np.uint8), (info.height, info.width)), 0, 0)
        self._lifecycle.observe(frame)
        self._lifecycle.observe(Frame(np.repeat(frame.image[:, ::-1, None], 3, 2), 1, 0))
        self.sector = unknown_sector((info.height, info.width))
        measure(self._segment(frame, LatencyTrace(0), Judgement(Life.NEW, "")))  # sinks measure, which compiles another loop
        for _ in range(1, self._engine.warm_up_frames if isinstance(self._engine, Capturing) else 1):
            self._segment(frame, LatencyTrace(0), Judgement(Life.LIVE, ""))
        self._segmenter.guard.forget()
        self.reset("first frame")
        self._limit_engine(LIVE_TIMEOUT_S if info.live else FILE_TIMEOUT_S)

    def _limit_engine(self, default_s: float) -> None:
        self._segmenter.timeout_s = default_s if self._engine_timeout_s is None else self._engine_timeout_s

    def _step(self, frame: Frame, trace: LatencyTrace, settings: SessionSettings) -> Segmentation:
        """Segment the next frame with these settings."""
        self._known_spacing_mm = self._spacing.of(frame)
        if self.writes.begin_frame():
            self._last_segmentation = None  # a held picture is segmented again
        found = self._segment_judged(frame, trace, settings)
        self.counts.unfamiliar += found.is_unfamiliar
        self.counts.unjudged += found.familiarity is None and found.life is not Life.LOST and not self._tracking
        if frame.pixel_aspect != 1 or frame.spacing_from:
            stated = "" if self._spacing.given is not None else frame.spacing_from
            found = replace(found, pixel_aspect=frame.pixel_aspect, spacing_from=stated)
        if not self._measures.is_requested:
            return found
        with trace.stage("measure"):
            measured = self._measures.measured(found, frame, self.sector, is_spacing_given=self._spacing.given is not None)
        return measured if settings.probabilities else replace(measured, planes=None)

    def _segment_judged(self, frame: Frame, trace: LatencyTrace, settings: SessionSettings) -> Segmentation:
        judgement = self.judgement = self._classify(frame, trace, self._apply(settings))
        if self._tracking:
            return self._track(self._tracking, frame, trace, judgement)
        if judgement.life is Life.LOST:
            return self._empty_segmentation(frame, judgement)
        if judgement.life is Life.HELD and self._last_segmentation:
            return self._repeated(self._last_segmentation, judgement)
        return self._segment_fresh(frame, trace, judgement)

    def _segment_fresh(self, frame: Frame, trace: LatencyTrace, judgement: Judgement) -> Segmentation:
        """Segment a frame that is neither lost nor a repetition."""
        found = self._segment(frame, trace, judgement)
        with trace.stage("postprocess"):
            self._clip.clip(found.labels, self.sector)
        if not frame.damage:  # a held frame repeats one of a good picture
            self._last_segmentation = found
        return found

    def _segment(self, frame: Frame, trace: LatencyTrace, judgement: Judgement) -> Segmentation:
        found = self._segmenter.segment(frame, self.sector.box, trace, judgement, self._known_spacing_mm)
        guard = self._segmenter.guard
        guard.check_labels(found.labels, self.sector.box, found.classes, frame.captured_ns)
        return replace(found, doubt=guard.doubt) if guard.doubt else found

    def _apply(self, settings: SessionSettings) -> str:
        """Apply a requested reset and the settings of a frame; return why the sector must be searched again, or ""."""
        if self._reset_request:
            self._reset_reason, self._reset_request = self._reset_request, ""
            self._lifecycle.forget()
            settings.locator.forget()
        before, self._settings = self._settings, settings
        if settings is before or settings == before:
            return ""
        self._last_segmentation = None  # a held picture is segmented again
        self._segmenter.apply(settings)
        return "" if settings.locator is before.locator else "the sector is found in another way"

    def _classify(self, frame: Frame, trace: LatencyTrace, locator_change: str) -> Judgement:
        """Classify the frame and update the sector.

        locator_change: reason to search for the sector even on a held frame, or "".
        """
        self.memory_reset = None
        before = self.sector if self.sector.size == (frame.height, frame.width) else unknown_sector((frame.height, frame.width))
        with trace.stage("lifecycle"):
            judgement = self._lifecycle.observe(frame, before.box)
        self.sector = before
        if not frame.damage and (locator_change or self._must_locate(judgement.life)):
            with trace.stage("sector"):
                judgement = self._locate(frame, before, locator_change, judgement)
        self.counts.add(judgement.life)
        if judgement.life in _RESETTING:
            judgement, self._reset_reason = Judgement(judgement.life, self._reset_reason or judgement.reason), ""
            self._reset_memory(frame, judgement)
        return judgement

    def _must_locate(self, life: Life) -> bool:
        """Return whether the sector is searched on this frame: not on a held one, nor on one without contact.

        Exceptions: a stream may begin frozen, and a wrong sector may hide the contact.
        """
        unknown_yet = self.sector.kind is SectorKind.UNKNOWN
        if life is Life.HELD:
            return unknown_yet and self._lifecycle.is_frozen
        return unknown_yet or life not in (Life.LOST, Life.SPOILT) or self._lifecycle.is_long_lost

    def _locate(self, frame: Frame, before: Sector, locator_change: str, judgement: Judgement) -> Judgement:
        """Find the sector, and return the judgement of the frame that a changed sector leads to."""
        self.sector, changed = self._settings.locator.observe(frame)
        if self.sector is before or self.sector.box == before.box:
            return judgement
        self._lifecycle.refocus(frame, self.sector.box)
        reason = changed or locator_change
        if judgement.life is Life.LOST:
            self._reset_reason = self._reset_reason or reason
        if judgement.life is Life.LOST or judgement.life in _RESETTING:
            return judgement
        if reason:
            return Judgement(Life.NEW, reason)
        judgement = Judgement(judgement.life, f"the sector is found: {self.sector}")
        self._reset_memory(frame, judgement)  # the stream goes on
        return judgement

    def _reset_memory(self, frame: Frame, judgement: Judgement) -> None:
        _log.info("memory starts afresh at frame %d: %s", frame.index, judgement.reason)
        self._last_segmentation, self.memory_reset = None, judgement
        self._segmenter.forget(judgement.life)

    def _empty_segmentation(self, frame: Frame, judgement: Judgement) -> Segmentation:
        self._segmenter.forget_filter()  # the probe may be elsewhere when there is contact again
        labels = np.zeros((frame.height, frame.width), np.uint8)
        return Segmentation(labels, self.classes, (0.0,) * len(self.classes), self._known_spacing_mm, *judgement)

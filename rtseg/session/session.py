"""Segment one stream with one engine; the session alone holds the state that passes from frame to frame."""

import logging
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rtseg import kernels
from rtseg.engines.base import Array, Engine, State
from rtseg.engines.capabilities import DeviceTimer, Prefetching, frame_buffers_of
from rtseg.engines.class_postprocess import ClassPostprocess, merged
from rtseg.frame import Frame, Life, Segmentation, Spacing, StreamInfo
from rtseg.kernels.network.fit import Fit, letterbox
from rtseg.kernels.network.logits import threshold_logit
from rtseg.measure.region import measure
from rtseg.session.enhancement import StreamFilter, ViewFilter
from rtseg.session.lifecycle import Lifecycle, LifecycleLimits
from rtseg.session.memory_gate import MemoryGate
from rtseg.session.network_input import network_input
from rtseg.session.postprocess import NetworkOutput, apply_anatomy, check_classes
from rtseg.session.sector import Locator, Sector, SectorFinder, SectorKind
from rtseg.session.sector.shape import unknown_sector
from rtseg.session.settings import SessionSettings
from rtseg.session.stabilizer import DEFAULT_TEMPORAL, Stabilizer, TemporalOptions
from rtseg.session.uncertainty import border_entropy
from rtseg.trace import DEVICE, LatencyTrace, MemoryCounts

_log = logging.getLogger(__name__)

_RESETTING = (Life.NEW, Life.CUT, Life.GAP)


class Session:
    """Segments the frames of one stream, in order, with a memory of earlier frames.

    engine: runs the network; it is not closed here, since several sessions may use it one after another. spacing_mm:
    millimeters per pixel (down, along), where known. postprocess: replaces the model's own for the classes that it names.
    counts: frames of each state so far. sector: of the newest frame.

    These may be set at any time, from any thread, and apply from the next frame on:
    threshold: probability above which a pixel belongs to the class, for networks of one class with one output.
    temporal: stabilization of masks beyond the network's own memory; None: off.
    speckle: filter before the network, a `SpeckleFilter` or an `Enhancement` of several steps; None: off.
    memory: whether the network's state is carried from frame to frame.
    locator: finds the ultrasound sector, `SectorFinder()` by default; `WholeFrame()` for frames that show nothing else.
    uncertainty: whether the entropy along each class's border is computed, which an overlay draws as the contour's width.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        threshold: float = 0.5,
        spacing_mm: Spacing | None = None,
        limits: LifecycleLimits | None = None,
        temporal: TemporalOptions | None = DEFAULT_TEMPORAL,
        speckle: ViewFilter | None = None,
        locator: Locator | None = None,
        postprocess: Sequence[ClassPostprocess] = (),
    ) -> None:
        self._engine, self.spacing_mm = engine, spacing_mm
        self._postprocess = merged(engine.spec.postprocess, check_classes(postprocess, engine.spec.classes))
        self.threshold, self.temporal, self.speckle, self.memory = threshold, temporal, speckle, True
        self.locator: Locator = locator or SectorFinder()
        self.uncertainty = False
        self._prefetching = engine if isinstance(engine, Prefetching) else None
        self._device_timer = engine if isinstance(engine, DeviceTimer) else None
        self._settings = self._requested_settings()
        self._lifecycle, self._gate = Lifecycle(limits), MemoryGate(limits or LifecycleLimits())
        self._stabilizer = Stabilizer(temporal, frame_buffers_of(engine)) if temporal else None
        self._filter = StreamFilter(frame_buffers_of(engine))
        self.sector = unknown_sector((0, 0))
        self._state = engine.initial_state()
        self._input: Array | None = None
        self._last_segmentation: Segmentation | None = None  # of the newest segmented frame
        self._reset_request = self._reset_reason = (
            ""  # reason of a requested reset, and of one that applies once there is contact
        )
        self.counts = MemoryCounts()

    @property
    def classes(self) -> tuple[str, ...]:
        """Return the names of the classes, without the background."""
        return self._engine.spec.classes

    @property
    def threshold(self) -> float:
        """Return the probability threshold. Setting it to a value that is not between 0 and 1 raises ConfigError."""
        return self._threshold

    @threshold.setter
    def threshold(self, probability: float) -> None:
        threshold_logit(probability)
        self._threshold = probability

    def step(self, frame: Frame, trace: LatencyTrace | None = None) -> Segmentation:
        """Segment the next frame and add the time of each stage to `trace`. Raises EngineError.

        A held frame shares the labels array of the frame that it repeats: do not write to it.
        """
        trace = trace or LatencyTrace(frame.captured_ns)
        life, reason = self._classify(frame, trace, self._apply_settings())
        if life is Life.LOST:
            return self._empty_segmentation(frame, reason)
        if life is Life.HELD and self._last_segmentation:
            return replace(self._last_segmentation, life=life, reason=reason)
        self._last_segmentation = self._segment(frame, trace, life, reason)
        return self._last_segmentation

    def expect(self, frame: Frame) -> None:
        """Start to upload a frame that `step` gets soon, where the engine can prefetch. Callable from any thread."""
        if self._prefetching:
            self._prefetching.prefetch(frame.image)

    def reset(self, reason: str) -> None:
        """Forget every frame so far, so that the next one begins a new stream. Callable from any thread."""
        self._reset_request = reason

    def warm_up(self, info: StreamInfo) -> None:
        """Run what is slow the first time (compilation, lazy buffers) before the stream's first frame arrives."""
        self._lifecycle.live = info.live
        kernels.warm_up()
        frame = Frame(np.resize(np.arange(256, dtype=np.uint8), (info.height, info.width)), 0, 0)
        self._lifecycle.observe(frame)
        self._lifecycle.observe(Frame(np.repeat(frame.image[:, ::-1, None], 3, 2), 1, 0))
        self.sector = unknown_sector((info.height, info.width))
        measure(self._segment(frame, LatencyTrace(0), Life.NEW, ""))  # sinks measure, which compiles another loop
        self.reset("first frame")

    def _requested_settings(self) -> SessionSettings:
        return SessionSettings(self.threshold, self.temporal, self.speckle, self.memory, self.locator, self.uncertainty)

    def _apply_settings(self) -> str:
        """Apply requests and settings since the last frame; return why the sector must be searched again, or ""."""
        if self._reset_request:
            self._reset_reason, self._reset_request = self._reset_request, ""
            self._lifecycle.forget()
            self.locator.forget()
        before, requested = self._settings, self._requested_settings()
        if requested == before:
            return ""
        self._settings, self._last_segmentation = requested, None  # a held picture is segmented again
        if requested.temporal != before.temporal:
            self._stabilizer = Stabilizer(requested.temporal, frame_buffers_of(self._engine)) if requested.temporal else None
        return "" if requested.locator is before.locator else "the sector is found in another way"

    def _segment(self, frame: Frame, trace: LatencyTrace, life: Life, reason: str) -> Segmentation:
        fit = letterbox(self.sector.box, self._engine.spec.size)
        if self._stabilizer and not self._stabilizer.is_due(life):
            with trace.stage("temporal"):
                logits = self._stabilizer.warp_previous(frame, fit)
            warped_reason = "carried from the frame before"
            return self._segmentation_from(
                logits, fit, frame, trace, (life, f"{reason}: {warped_reason}" if life is Life.SPOILT else warped_reason)
            )
        logits, state = self._infer(frame, fit, trace)
        found = self._segmentation_from(logits, fit, frame, trace, (life, reason))
        self._update_memory(state, found)
        if self._device_timer:
            for name, duration_ns in self._device_timer.device_ns().items():
                trace.add_device_time(DEVICE + name, duration_ns)
        return found

    def _classify(self, frame: Frame, trace: LatencyTrace, locator_change: str) -> tuple[Life, str]:
        """Classify the frame and update the sector.

        locator_change: reason to search for the sector even on a held frame, or "".
        """
        before = self.sector if self.sector.size == (frame.height, frame.width) else unknown_sector((frame.height, frame.width))
        with trace.stage("lifecycle"):
            life, reason = self._lifecycle.observe(frame, before.box)
        self.sector = before
        if locator_change or self._must_locate(life):
            with trace.stage("sector"):
                life, reason = self._locate(frame, before, locator_change, (life, reason))
        self.counts.add(life)
        if life in _RESETTING:
            reason, self._reset_reason = self._reset_reason or reason, ""
            self._reset_memory(frame, reason)
        return life, reason

    def _must_locate(self, life: Life) -> bool:
        """Return whether the sector is searched on this frame: not on a held one, nor on one without contact.

        Exceptions: a stream may begin frozen, and a wrong sector may hide the contact.
        """
        unknown_yet = self.sector.kind is SectorKind.UNKNOWN
        if life is Life.HELD:
            return unknown_yet and self._lifecycle.is_frozen
        return unknown_yet or life not in (Life.LOST, Life.SPOILT) or self._lifecycle.is_long_lost

    def _locate(self, frame: Frame, before: Sector, locator_change: str, classification: tuple[Life, str]) -> tuple[Life, str]:
        """Find the sector, and return the classification of the frame that a changed sector leads to."""
        self.sector, changed = self._settings.locator.observe(frame)
        if self.sector is before or self.sector.box == before.box:
            return classification
        self._lifecycle.refocus(frame, self.sector.box)
        reason = changed or locator_change
        if classification[0] is Life.LOST:
            self._reset_reason = self._reset_reason or reason
        if classification[0] is Life.LOST or classification[0] in _RESETTING:
            return classification
        if reason:
            return Life.NEW, reason
        self._reset_memory(frame, reason := f"the sector is found: {self.sector}")  # the stream goes on
        return classification[0], reason

    def _reset_memory(self, frame: Frame, reason: str) -> None:
        _log.info("memory starts afresh at frame %d: %s", frame.index, reason)
        self._last_segmentation, self._state = None, self._engine.initial_state()
        self._gate.forget()
        self._filter.forget()
        if self._stabilizer:
            self._stabilizer.forget()

    def _empty_segmentation(self, frame: Frame, reason: str) -> Segmentation:
        self._filter.forget()  # the probe may be elsewhere when there is contact again
        labels = np.zeros((frame.height, frame.width), np.uint8)
        return Segmentation(labels, self.classes, (0.0,) * len(self.classes), self.spacing_mm, Life.LOST, reason)

    def _infer(self, frame: Frame, fit: Fit, trace: LatencyTrace) -> tuple[Array, State]:
        chosen = self._filter.select(self._settings.speckle)
        x = self._input = network_input(self._engine, frame.image, fit, chosen, trace, self._input)
        if not self._settings.memory:
            self._state = self._engine.initial_state()
        if self._stabilizer:
            with trace.stage("temporal"):
                self._stabilizer.prepare(frame, fit)
        with trace.stage("infer"):
            logits, state = self._infer_finite(x)
        if self._stabilizer:
            with trace.stage("temporal"):
                logits = self._stabilizer.stabilize(logits, frame, fit)
        return logits, state

    def _infer_finite(self, x: Array) -> tuple[Array, State]:
        logits, state = self._engine.infer(x, self._state)
        if kernels.has_nonfinite(logits):
            # Non-finite logits mean a non-finite state, which would persist in all later frames.
            _log.warning("the network gave NaN or infinity: its memory starts afresh")
            self.counts.nonfinite += 1
            self._state = self._engine.initial_state()
            logits, state = self._engine.infer(x, self._state)
        return logits, state

    def _segmentation_from(
        self, logits: Array, fit: Fit, frame: Frame, trace: LatencyTrace, classification: tuple[Life, str]
    ) -> Segmentation:
        spec, download, threshold = self._engine.spec, self._engine.download, self._settings.threshold
        with trace.stage("postprocess"):
            labels = download(kernels.argmax_labels(logits, fit, (frame.height, frame.width), threshold=threshold))
            confidence = download(kernels.class_confidence(logits, fit, threshold=threshold))
            apply_anatomy(labels, spec, NetworkOutput(logits, fit, download), self._postprocess)
            uncertainty = (
                border_entropy(np.asarray(download(logits), np.float32), threshold) if self._settings.uncertainty else ()
            )
        confidences = tuple(float(value) for value in confidence)
        return Segmentation(labels, spec.classes, confidences, self.spacing_mm, *classification, uncertainty)

    def _update_memory(self, state: State, found: Segmentation) -> None:
        """Adopt the new state, unless the frame is spoilt or the network is in doubt; then the old state stays."""
        if found.life is not Life.SPOILT:
            self._filter.commit()
        if found.life is not Life.SPOILT and self._gate.admits(found.confidence):
            self._state = state
        else:
            self.counts.gated += 1

"""Provides the simulated probe as a source: B-mode of a vessel or a beating heart, scripted faults, exact truth."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from time import perf_counter_ns

import numpy as np

from rtseg.errors import ConfigError
from rtseg.frame import Frame, Image, Labels, Spacing, StreamInfo
from rtseg.sources.base import stream_info
from rtseg.sources.synthetic.bmode import compress, echo_power, no_contact_power
from rtseg.sources.synthetic.geometry import TRANSDUCERS, ScanView
from rtseg.sources.synthetic.script import FrameState, Script, ScriptedFault, parse_fault, parse_script
from rtseg.sources.synthetic.tissue import Tissue
from rtseg.sources.synthetic.ventricle import Ventricle
from rtseg.sources.synthetic.vessel import Vessel


class SyntheticProbe:
    """Simulates a seeded phantom: a frame's image and truth follow from the script and the frame's index alone.

    Simplifications: it is two-dimensional, and tissue does not leave the plane. Echoes are computed after beamforming, with
    the same point spread at all depths. Attenuation acts along straight beams, without refraction. Blood is noise without
    flow. The speckle changes into a second pattern and back every few seconds. A change of depth alters the pixel size, which
    each frame states; `info.spacing_mm` is that of the first frame. deepest: the largest depth factor that `inject_fault`
    accepts.
    """

    def __init__(self, script: Script, *, spacing_mm: Spacing | None = None, deepest: float = 1.0) -> None:
        self._script, self._probe = script, TRANSDUCERS[script.geometry]
        self._deepest = max([deepest, *(event.value for event in script.faults if event.kind == "depth")])
        self._view = lru_cache(maxsize=2)(self._make_view)
        self._scene = lru_cache(maxsize=2)(self._make_scene)
        spacing = self._view(1.0).spacing_mm
        info = stream_info(script.height, script.width, script.fps, spacing_mm or (spacing, spacing), script.frames)
        self._info = replace(info, only_ultrasound=True)
        self._spacing_scale = tuple(given / spacing for given in self._info.spacing_mm or (spacing, spacing))
        self._closed = threading.Event()
        self._next = 0

    @property
    def info(self) -> StreamInfo:
        """Return size, rate and pixel size as scripted."""
        return self._info

    @property
    def events(self) -> tuple[ScriptedFault, ...]:
        """Return the scripted faults."""
        return self._script.faults

    def __iter__(self) -> Iterator[Frame]:
        while not self._closed.is_set() and (self._script.frames is None or self._next < self._script.frames):
            index, self._next = self._next, self._next + 1
            if not self._script.is_dropped(index):
                yield self._frame(index)

    def _frame(self, index: int) -> Frame:
        """Return frame `index` with the spacing of its depth setting; the user's spacing changes with the depth."""
        spacing = self._view(self._script.frame_state(index).depth).spacing_mm
        down, along = self._spacing_scale
        image, shown_ns = self.image(index), round(index * 1e9 / self._info.fps)
        return Frame(image, index, perf_counter_ns(), spacing_mm=(spacing * down, spacing * along), presentation_ns=shown_ns)

    def inject_fault(self, kind: str, frames: int | None = None, value: float = 0.0) -> ScriptedFault:
        """Add a fault at the next frame, from any thread, as if it had been scripted. Raises ConfigError."""
        event = parse_fault(kind, self._next, frames, value)
        if kind == "depth" and value > self._deepest:
            raise ConfigError(f"{value:g} times as deep is beyond this probe: it was made for {self._deepest:g} at the most")
        self._script = replace(self._script, faults=(*self._script.faults, event))
        if kind == "early":
            self._scene.cache_clear()  # the scene holds the rhythm
        return event

    happen = inject_fault  # the earlier name

    def close(self) -> None:
        """End the stream."""
        self._closed.set()

    def image(self, index: int) -> Image:
        """Return the image (H, W) of frame `index`, uint8."""
        frame_state = self._script.frame_state(index)
        view = self._view(frame_state.depth)
        picture = view.draw(compress(self._power(frame_state, view), frame_state.gain_db))
        return self._coded(picture, frame_state) if frame_state.noise else picture

    def truth(self, index: int) -> Labels:
        """Return the labels (H, W) of frame `index`: 1 in the lumen or the cavity, 0 elsewhere, all 0 without contact."""
        frame_state = self._script.frame_state(index)
        view = self._view(frame_state.depth)
        if not frame_state.contact:
            return np.zeros(view.inside.shape, np.uint8)
        vessel, _ = self._scene(frame_state.scene)
        return (vessel.lumen(view.x_mm, view.z_mm, self._seconds(frame_state)) & view.inside).astype(np.uint8)

    def volume_ml(self, index: int) -> float:
        """Return the exact volume of the ventricle of `synthetic:heart` in frame `index`. Raises ConfigError for a vessel."""
        frame_state = self._script.frame_state(index)
        cavity, _ = self._scene(frame_state.scene)
        if not isinstance(cavity, Ventricle):
            raise ConfigError("a vessel has no volume: use synthetic:heart")
        return cavity.volume_ml(self._seconds(frame_state))

    def beats(self, index: int) -> float:
        """Return the exact number of beats at frame `index`; a whole number is an end-diastole."""
        frame_state = self._script.frame_state(index)
        cavity, _ = self._scene(frame_state.scene)
        return cavity.beats_at(self._seconds(frame_state))

    def radius_mm(self, index: int) -> float:
        """Return the exact radius in frame `index` of the circle with the area of the lumen, or of the cavity."""
        frame_state = self._script.frame_state(index)
        cavity, _ = self._scene(frame_state.scene)
        return cavity.radius_at(self._seconds(frame_state))

    def _power(self, frame_state: FrameState, view: ScanView) -> "np.ndarray[tuple[int, ...], np.dtype[np.float32]]":
        rng = self._rng(1, frame_state.shown)
        if not frame_state.contact:
            return no_contact_power(view, rng)
        vessel, tissue = self._scene(frame_state.scene)
        return echo_power(tissue, vessel, view, self._seconds(frame_state), rng)

    def _coded(self, picture: Image, frame_state: FrameState) -> Image:
        """Return the image with a codec's noise, which differs from frame to frame even in a frozen image."""
        noise = self._rng(2, frame_state.index).uniform(-frame_state.noise, frame_state.noise, picture.shape)
        return np.clip(np.round(picture + noise), 0, 255).astype(np.uint8)

    def _make_view(self, depth: float) -> ScanView:
        return ScanView(self._probe, self._script.height, self._script.width, depth)

    def _make_scene(self, scene: int) -> tuple[Vessel, Tissue]:
        rng = self._rng(0, scene)
        view = self._view(1.0)
        kind = Ventricle if self._script.phantom == "heart" else Vessel
        script = self._script
        return kind(view, rng, script.bpm, script.drift_mm, script.early_s), Tissue(view, self._deepest, rng)

    def _rng(self, use: int, number: int) -> np.random.Generator:
        """Return a generator that is seeded by the script, the purpose and a number."""
        return np.random.default_rng((self._script.seed, use, number))

    def _seconds(self, frame_state: FrameState) -> float:
        return frame_state.shown / self._script.fps


def open_synthetic(options: str, *, fps: float | None = None, spacing_mm: Spacing | None = None) -> SyntheticProbe:
    """Open the probe that `synthetic:OPTIONS` describes. Raises ConfigError."""
    overrides = {} if fps is None else {"fps": fps}
    return SyntheticProbe(parse_script(options, **overrides), spacing_mm=spacing_mm)

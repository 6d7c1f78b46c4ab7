"""Follows the objects of a stream that users pointed at: prompts go into the network's states, masks come out by name."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from rtseg.engines.model_spec import ModelSpec
from rtseg.engines.tracker_states import FOLLOWED, SOUGHT, UNUSED, TrackerStates
from rtseg.errors import ConfigError
from rtseg.frame import Labels, Life, Segmentation, TrackedObject
from rtseg.measure.region import Measurement, measure
from rtseg.session.object_track import STRIDE, MaskPlace, ObjectTrack
from rtseg.session.picture_motion import PictureMotion
from rtseg.session.pointed_picture import PointedPicture
from rtseg.session.prompt_queue import PromptQueue, PromptRequest
from rtseg.session.prompts import Maps, Prompt
from rtseg.session.state_writes import StateWrites
from rtseg.text.log_records import get_logger

NOTHING_FOLLOWED = "nothing is followed yet: point at a structure, by Session.prompt or --prompt"
Drawer: TypeAlias = Callable[[Prompt], Maps]
_NEW_VIEW = (Life.NEW, Life.CUT)
_MOST_REFUSED = 16  # refusals that are kept
_log = get_logger(__name__)


class Tracking:
    """Holds what a session knows about the objects that its network follows.

    spec: the network's. states: where its states are. writes: into them. queue: of what users say.
    places: the place of each followed object among those of the network, in the order of the labels. refused: why prompts that
    had been taken could not be used, the newest last. refusals: how many of them there were.
    """

    def __init__(self, spec: ModelSpec, states: TrackerStates, writes: StateWrites) -> None:
        self._states, self._writes, self._classes = states, writes, spec.classes
        self.queue = PromptQueue(spec.name, states.objects)
        self.places: dict[str, int] = {}
        self.refused, self.refusals = deque[str](maxlen=_MOST_REFUSED), 0  # read by other threads
        self.newest: PointedPicture | None = None  # read by other threads
        self._tracks: dict[str, ObjectTrack] = {}
        self._motion, self._index = PictureMotion(), 0
        self._must_clear = False  # whether the maps of the frame before are still in the network's state
        self._segmentation: Segmentation | None = None  # the newest one
        self._replayed: tuple[dict[str, int], tuple[str, ...]] | None = None  # objects of the next frame of a replay

    @property
    def map_shape(self) -> tuple[int, int]:
        """Return (h, w) of the maps in which prompts are drawn."""
        return self._states.shape[2:]

    @property
    def objects(self) -> Mapping[str, TrackedObject]:
        """Return the objects of the newest frame, by name."""
        newest = self._segmentation
        return (newest.objects if newest else None) or {}

    def begin(self, picture: PointedPicture, draw: Drawer | None) -> bool:
        """Write the prompts for a frame into the network's states; return whether that changes what is followed.

        draw: draws a prompt in the network's input; None where the network does not see the frame. Raises ConfigError where a
        prompt for this frame cannot be used; one that was placed on a picture before is then dropped with a warning.
        """
        self.newest = picture
        if picture.life in _NEW_VIEW:
            for track in self._tracks.values():
                track.interrupt()
        if self._must_clear and not self._writes.is_pending(self._states.prompt):
            self._writes.put(self._states.prompt, np.zeros(self._states.shape, np.float32))
            self._must_clear = False
        if self._replayed is not None:
            return self._replay(*self._replayed)
        requests = self._due(picture, can_draw=draw is not None)
        return self._take_all(requests, picture, draw) if requests else False

    def _due(self, picture: PointedPicture, *, can_draw: bool) -> list[PromptRequest]:
        """Return the requests for a frame; prompts are put back where the network does not see it, or does not keep it."""
        due, is_lost = self.queue.take(picture.frame.index), picture.life is Life.LOST
        if not due or (can_draw and not picture.frame.damage):
            return due
        is_later = [one.prompt is not None and (one.at is None or not is_lost) for one in due]
        self.queue.put_back([one for one, later in zip(due, is_later, strict=True) if later])
        return [one for one, later in zip(due, is_later, strict=True) if not later]

    def _take_all(self, requests: Sequence[PromptRequest], picture: PointedPicture, draw: Drawer | None) -> bool:
        """Write requests into the states; return whether they change what is followed. Raises the last one's ConfigError."""
        known, maps, refusal = dict(self.places), np.zeros(self._states.shape, np.float32), None
        for request in requests:
            try:
                self._take(request, picture, draw, maps)
            except ConfigError as error:
                refusal = error
        is_prompted = bool(maps.any())
        if is_prompted:
            self._writes.put(self._states.prompt, maps)
            self._must_clear = True
        if refusal is not None:
            raise refusal
        return self.places != known or is_prompted

    def replay(self, places: Mapping[str, int], writes: Mapping[str, npt.NDArray[np.float32]]) -> None:
        """Take the objects of the next frame from a recording, in place of prompts. writes: into the states, with it."""
        prompts = writes.get(self._states.prompt)
        known = [name for name, place in places.items() if prompts is not None and place < len(prompts)]
        self._replayed = dict(places), tuple(name for name in known if prompts is not None and prompts[places[name]].any())

    def _replay(self, places: dict[str, int], prompted: tuple[str, ...]) -> bool:
        changed = places != self.places or bool(prompted)
        kept = {name: track for name, track in self._tracks.items() if name not in prompted}
        self.places, self._tracks = places, {name: kept.get(name) or ObjectTrack() for name in places}
        return changed

    def _take(self, request: PromptRequest, picture: PointedPicture, draw: Drawer | None, maps: Maps) -> None:
        """Add one request to the maps (objects, 2, h, w) of a frame. Raises ConfigError for a prompt that is for this frame."""
        name, place = request.name, request.place
        if request.prompt is None:
            maps[place] = 0
            if self.places.pop(name, None) is not None:
                del self._tracks[name]
                self._write_pinned()
            return
        try:
            drawn = self._drawn(request.prompt, request, picture, draw)
        except ConfigError as error:
            if name not in self.places:
                self.queue.release(name)
            self.refused.append(str(error))
            self.refusals += 1
            if request.at is not None:
                raise
            _log.warning("%s", error)
            return
        maps[place] = np.maximum(maps[place], drawn)
        self.places[name], self._tracks[name] = place, ObjectTrack()

    def _drawn(self, prompt: Prompt, request: PromptRequest, picture: PointedPicture, draw: Drawer | None) -> Maps:
        """Return a prompt as maps (2, h, w). Raises ConfigError where it does not point at what this frame shows."""
        name = request.name
        if request.at is not None:
            picture.check(prompt)
        elif picture.is_another_view:
            raise ConfigError(f"the view changed before the prompt for {name!r} could be used: point at it again")
        drawn = draw(self.completed(prompt, name)) if draw else np.zeros(self._states.shape[1:], np.float32)
        if not drawn[0].any():
            raise ConfigError(f"the prompt for {name!r} lies outside what the network sees: point at the ultrasound")
        return drawn

    def completed(self, prompt: Prompt, name: str) -> Prompt:
        """Return a prompt that shows an object: one that only takes away also shows what stays of the newest mask.

        Callable from any thread. Raises ConfigError where there is no mask.
        """
        if prompt.shows_object:
            return prompt
        newest = self._segmentation
        objects = (newest.objects if newest else None) or {}
        if newest is None or name not in objects or objects[name].lost:
            raise ConfigError(f"{name!r} has no mask to take anything from: point at what belongs to it first")
        mask = np.ascontiguousarray(newest.mask(name), np.uint8)
        for x, y in prompt.other_points:
            cv2.circle(mask, (round(x), round(y)), 2 * STRIDE, 0, cv2.FILLED)
        depth = cv2.distanceTransform(np.pad(mask, 1), cv2.DIST_L2, 3)[1:-1, 1:-1]
        row, column = np.unravel_index(int(depth.argmax()), depth.shape)
        return replace(prompt, points=((float(column), float(row)),))

    def _write_pinned(self, sought: tuple[str, ...] = ()) -> None:
        """Write which places of the network have an object, and which are looked for by their prompt alone."""
        values = np.full(self._states.pinned_shape, UNUSED, np.float32)
        for name, place in self.places.items():
            values[place] = SOUGHT if name in sought else FOLLOWED
        self._writes.put(self._states.pinned, values)

    def follow(self, found: Segmentation, presence: tuple[float, ...] | None, picture: PointedPicture) -> Segmentation:
        """Return what the network segmented with the objects' names, without the masks of those that are lost.

        found: with a label for each place of the network; its labels are changed. presence: of each place; None: unknown.
        """
        frames, self._index = picture.frame.index - self._index, picture.frame.index
        self._motion.observe(picture.frame, picture.sector.box)
        measured = measure(found)
        if not picture.frame.damage:
            for name, place in self.places.items():
                sure = measured[place].confidence if presence is None else min(measured[place].confidence, presence[place])
                self._observe(self._tracks[name], measured[place], sure, found.labels, frames, place)
        sought = tuple(name for name, track in self._tracks.items() if track.is_displaced)
        if sought:
            self._write_pinned(sought)
        return self._named(found, measured, presence)

    def _observe(
        self, track: ObjectTrack, measured: Measurement, confidence: float, labels: Labels, frames: int, place: int
    ) -> None:
        where, shift = None, (0.0, 0.0)
        if measured.centroid is not None:
            where = MaskPlace(labels[::STRIDE, ::STRIDE] == place + 1, measured.centroid, measured.area_px)
            if track.place and not where.is_same(track.place, shift, frames):
                shift = self._motion.shift()
        track.observe(confidence if where else 0.0, where, shift, frames)

    def _named(
        self, found: Segmentation, measured: tuple[Measurement, ...], presence: tuple[float, ...] | None
    ) -> Segmentation:
        table, objects, sure = np.zeros(256, np.uint8), dict[str, TrackedObject](), list[float]()
        for label, (name, place) in enumerate(self.places.items(), start=1):
            one, is_lost = measured[place], self._tracks[name].is_lost or not measured[place].area_px
            confidence = one.confidence if presence is None else min(one.confidence, presence[place])
            table[place + 1] = 0 if is_lost else label
            geometry = () if is_lost else (one.area_px, one.centroid, one.box)
            objects[name] = TrackedObject(is_lost, confidence, *geometry)
            sure.append(0.0 if is_lost else confidence)
        count = len(self._classes) + 1
        if not np.array_equal(table[:count], np.arange(count)):
            np.take(table, found.labels, out=found.labels, mode="clip")
        return self._keep(replace(found, classes=tuple(self.places), confidence=tuple(sure), objects=objects))

    def unseen(self, empty: Segmentation) -> Segmentation:
        """Return a segmentation without masks, of a frame that the network does not see, with all objects lost."""
        for track in self._tracks.values():
            track.interrupt()
        reason = empty.reason if self.places else ": ".join(part for part in (empty.reason, NOTHING_FOLLOWED) if part)
        objects = dict.fromkeys(self.places, TrackedObject(lost=True, confidence=0.0))
        return self._keep(replace(empty, objects=objects, reason=reason))

    def _keep(self, segmentation: Segmentation) -> Segmentation:
        self._segmentation = segmentation
        return segmentation

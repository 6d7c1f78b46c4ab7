"""Lets users point at objects in a session's pictures, and gives them back as they are followed."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from rtseg.engines.base import Floats, ModelSpec
from rtseg.engines.tracker_states import TrackerStates
from rtseg.errors import ConfigError, require_members
from rtseg.frame import Frame, Life, Segmentation, Spacing, TrackedObject
from rtseg.kernels.network.fit import letterbox
from rtseg.session.judgement import Judgement
from rtseg.session.pointed_picture import PointedPicture
from rtseg.session.prompt_queue import PromptRequest
from rtseg.session.prompts import Maps, Prompt, placed_by, prompt_maps
from rtseg.session.tracking import Tracking
from rtseg.text.log_records import get_logger
from rtseg.trace import LatencyTrace

if TYPE_CHECKING:
    from rtseg.session.sector import Sector
    from rtseg.session.state_writes import StateWrites
    from rtseg.session.watched_segmenter import WatchedSegmenter

_log = get_logger(__name__)


class PromptedObjects:
    """Adds prompts to a session whose network follows objects; the sessions of other networks refuse them."""

    _segmenter: "WatchedSegmenter"
    _last_segmentation: Segmentation | None
    _known_spacing_mm: Spacing | None
    sector: "Sector"
    writes: "StateWrites"

    def _begin_tracking(self, spec: ModelSpec) -> None:
        states = TrackerStates.of(spec)
        self._spec = spec
        self._tracking = Tracking(spec, states, self._segmenter.writes) if states else None

    @property
    def objects(self) -> Mapping[str, TrackedObject]:
        """Return the objects that are followed, by name, as they are in the newest frame."""
        return self._tracking.objects if self._tracking else {}

    @property
    def follows_prompts(self) -> bool:
        """Return whether the network segments what is pointed at, and nothing before."""
        return self._tracking is not None

    @property
    def waiting_prompts(self) -> list[PromptRequest]:
        """Return the prompts that no frame has taken yet."""
        return self._tracking.queue.waiting() if self._tracking else []

    @property
    def refused_prompts(self) -> list[str]:
        """Return why the newest prompts that had been taken could not be used by the frame they came to; at most 16."""
        return list(self._tracking.refused) if self._tracking else []

    @property
    def prompt_refusals(self) -> int:
        """Return how many prompts that had been taken could not be used."""
        return self._tracking.refusals if self._tracking else 0

    @property
    def object_places(self) -> Mapping[str, int]:
        """Return the place of each followed object in the network's states, which a recording holds."""
        return dict(self._tracking.places) if self._tracking else {}

    def prompt(self, prompt: Prompt, name: str = "object", *, at: int | None = None) -> None:
        """Follow an object from the next frame on that the network sees; callable from any thread.

        A prompt for a name that is followed already corrects it from there. at: index of the frame whose pixels the prompt is
        in, where that is still to come; None: the newest frame, or the first one before there is any. Raises ConfigError where
        the prompt does not point at ultrasound there, and where the network follows no more objects, or none at all. A prompt
        for a frame to come is checked with it, so that `step` raises the error.
        """
        require_members(prompt, ("points", "box", "mask"), "a prompt", "make it by rtseg.Prompt(points=((X, Y),))")
        tracking = self._required_tracking()
        picture = tracking.newest
        if at is None and picture is not None:
            picture.check(prompt)
            prompt = tracking.completed(prompt, name)
        elif at is None:
            _log.info("there is no frame yet: the prompt for %r holds for the first one", name)
        tracking.queue.add(name, prompt, 0 if at is None and picture is None else at)

    def forget(self, name: str) -> None:
        """Follow an object no longer, from the next frame on; callable from any thread. Raises ConfigError."""
        self._required_tracking().queue.forget(name)

    def write(self, name: str, values: Floats) -> None:
        """Write values into a state of the network with its next frame, see `StateWrites.request`. Raises ConfigError."""
        self.writes.request(name, values)

    def _replay_objects(self, places: Mapping[str, int], writes: Mapping[str, Floats]) -> None:
        """Take the objects of the next frame, and what is written into the network's states with it, from a recording."""
        if self._tracking and (places or self._tracking.places):
            self._tracking.replay(places, writes)

    def _required_tracking(self) -> Tracking:
        if self._tracking is None:
            raise ConfigError(
                f"{self._spec.name!r} segments {', '.join(self._spec.classes)} and follows nothing that is pointed at: "
                f"load a model that does, such as track"
            )
        return self._tracking

    def _track(self, tracking: Tracking, frame: Frame, trace: LatencyTrace, judgement: Judgement) -> Segmentation:
        """Segment a frame by what was pointed at."""
        picture = PointedPicture(frame, self.sector, judgement.life)
        is_seen = judgement.life is not Life.LOST and self._sees_prompts()
        if tracking.begin(picture, self._drawn if is_seen else None):
            self._last_segmentation = None  # a held picture is segmented again
            self._segmenter.forget_stabilization()  # a correction holds at once, and the network runs
        if judgement.life is Life.LOST or not tracking.places:
            return tracking.unseen(self._empty_segmentation(frame, judgement))
        if judgement.life is Life.HELD and self._last_segmentation:
            return self._repeated(self._last_segmentation, judgement)
        shown = judgement if judgement.life is not Life.SPOILT or frame.damage else Judgement(Life.LIVE, judgement.reason)
        found = self._segment_fresh(frame, trace, shown)  # it judges itself whether it sees the object in a spoilt picture
        if not is_seen:
            return tracking.unseen(found)
        with trace.stage("postprocess"):
            followed = tracking.follow(replace(found, life=judgement.life), self._segmenter.frames.presence, picture)
        if not frame.damage:
            self._last_segmentation = followed
        return followed

    def _sees_prompts(self) -> bool:
        """Return whether the newest frame's place in the network's input is known."""
        return True

    def _drawn(self, prompt: Prompt) -> Maps:
        """Return a prompt as maps in the network's input. Raises ConfigError."""
        return self._drawn_in(prompt, self.sector.box)

    def _drawn_in(self, prompt: Prompt, box: tuple[int, int, int, int]) -> Maps:
        assert self._tracking is not None
        size = self._tracking.map_shape
        return prompt_maps(prompt, placed_by(letterbox(box, self._spec.size), size), size)

    def _repeated(self, last: Segmentation, judgement: Judgement) -> Segmentation:
        """Return the newest segmentation for a frame that repeats its picture."""
        life, reason = judgement
        return replace(last, life=life, reason=reason, spacing_mm=self._known_spacing_mm)

    def _segment_fresh(self, frame: Frame, trace: LatencyTrace, judgement: Judgement) -> Segmentation:
        raise NotImplementedError

    def _empty_segmentation(self, frame: Frame, judgement: Judgement) -> Segmentation:
        raise NotImplementedError

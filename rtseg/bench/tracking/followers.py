"""Follows an object through a clip: by the tracking network, by optical flow, by copying its mask, or by a class model."""

from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

from rtseg.bench.tracking.clip import TrackingClip
from rtseg.engines.base import Engine
from rtseg.engines.tracker_states import TrackerStates
from rtseg.errors import ConfigError
from rtseg.frame import Frame, Image, Mask, Segmentation
from rtseg.session.optical_flow import OpticalFlow, warp
from rtseg.session.prompts import Prompt
from rtseg.session.sector import WholeFrame
from rtseg.session.session import Session

OBJECT = "object"
FRAME_NS = 40_000_000  # between two frames
_BLUR_PX = 1.5  # standard deviation
_MAX_RESIDUAL = 8.0  # mean gray levels by which a frame may differ from the one before after the motion between them


@dataclass(frozen=True, slots=True)
class TrackedMask:
    """Holds what a follower says about one frame."""

    mask: Mask
    """(H, W) bool."""
    is_lost: bool = False
    """Whether the follower says that it does not see the object."""
    refusal: str = ""
    """Why the prompt was refused, in words; empty where it was not."""


class Follower(Protocol):
    """Follows one object from the first frame of a clip on; `start` begins anew."""

    def start(self, clip: TrackingClip, prompt: Prompt) -> TrackedMask:
        """Return the mask of the first frame, in which the prompt shows the object."""

    def follow(self, image: Image) -> TrackedMask:
        """Return the mask of the next frame, (H, W) uint8."""


def follow_clip(follower: Follower, clip: TrackingClip, prompt: Prompt) -> list[TrackedMask]:
    """Return a mask for each frame of a clip."""
    return [follower.start(clip, prompt), *(follower.follow(image) for image in clip.images[1:])]


class CopyFollower:
    """Copies the first mask to every frame."""

    def start(self, clip: TrackingClip, prompt: Prompt) -> TrackedMask:  # noqa: ARG002 - it is given the mask
        """Take the true mask of the first frame."""
        self._first = TrackedMask(clip.first)
        return self._first

    def follow(self, image: Image) -> TrackedMask:  # noqa: ARG002 - it does not look
        """Return the first mask."""
        return self._first


class FlowFollower:
    """Moves the first mask by dense optical flow from each frame to the next (DIS, its more accurate preset).

    Frames are blurred against speckle. A frame that the one before does not explain, after the motion between them, leaves the
    mask as it is, so that a shadow or another view does not spoil the rest. Positions are accumulated instead of masks, since
    a mask that is interpolated in each frame would blur away. Both were chosen on subjects that are not measured.
    """

    def __init__(self) -> None:
        self._flow = OpticalFlow(precise=True)

    def start(self, clip: TrackingClip, prompt: Prompt) -> TrackedMask:  # noqa: ARG002 - it is given the mask
        """Take the true mask of the first frame."""
        height, width = clip.first.shape
        self._first, self._before = clip.first.astype(np.float32), _smooth(clip.images[0])
        self._x, self._y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
        self._grid = self._x, self._y
        return TrackedMask(clip.first)

    def follow(self, image: Image) -> TrackedMask:
        """Return the first mask as the motion so far has moved it."""
        now = _smooth(image)
        field = self._flow.between(self._before, now)
        if float(np.abs(warp(self._before.astype(np.float32), field) - now).mean()) <= _MAX_RESIDUAL:
            self._before = now
            self._x, self._y = warp(self._x, field), warp(self._y, field)
        displacement: npt.NDArray[np.float32] = np.dstack([self._x - self._grid[0], self._y - self._grid[1]])
        return TrackedMask(warp(self._first, displacement) >= 0.5)


def _smooth(image: Image) -> Image:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), _BLUR_PX), np.uint8)


class TrackerFollower:
    """Follows by a session, as `rtseg run` does, a new one for each clip; frames are taken to show no screen.

    Raises ConfigError for a network that follows nothing.
    """

    def __init__(self, engine: Engine) -> None:
        if TrackerStates.of(engine.spec) is None:
            raise ConfigError(
                f"{engine.spec.name!r} follows nothing that is pointed at: name a tracking network, such as track"
            )
        self._stream = _ClipStream(engine)

    def start(self, clip: TrackingClip, prompt: Prompt) -> TrackedMask:
        """Prompt a new session with the first frame; a refused prompt leaves the object lost."""
        session = self._stream.begin()
        try:
            session.prompt(prompt, OBJECT)
            return self.follow(clip.images[0])
        except ConfigError as error:
            return TrackedMask(np.zeros_like(clip.first), is_lost=True, refusal=str(error))

    def follow(self, image: Image) -> TrackedMask:
        """Return the object's mask in the next frame."""
        found = self._stream.step(image)
        tracked = (found.objects or {}).get(OBJECT)
        return TrackedMask(found.labels == 1, tracked is None or tracked.lost)


class ClassFollower:
    """Segments by a class model, without a prompt, in the pipeline of `rtseg run`."""

    def __init__(self, engine: Engine) -> None:
        self._stream = _ClipStream(engine)
        self._label = 1

    def start(self, clip: TrackingClip, prompt: Prompt) -> TrackedMask:  # noqa: ARG002 - it takes none
        """Begin a new session for the object's class."""
        self._stream.begin()
        self._label = clip.label
        return self.follow(clip.images[0])

    def follow(self, image: Image) -> TrackedMask:
        """Return the mask of the class in the next frame."""
        return TrackedMask(self._stream.step(image).labels == self._label)


class _ClipStream:
    """Passes pictures to a session, which begins anew with each clip."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._session: Session | None = None
        self._index = 0

    def begin(self) -> Session:
        if self._session:
            self._session.close()
        self._session, self._index = Session(self._engine, locator=WholeFrame()), 0
        return self._session

    def step(self, image: Image) -> Segmentation:
        assert self._session is not None
        frame = Frame(image, self._index, self._index * FRAME_NS)
        self._index += 1
        return self._session.step(frame)

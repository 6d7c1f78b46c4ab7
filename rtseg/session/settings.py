"""Defines the settings of a session: one frozen value, so that a frame sees all of a change or none of it."""

from dataclasses import dataclass, field, replace
from numbers import Real
from threading import Lock
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from rtseg.errors import ConfigError
from rtseg.kernels.network.logits import threshold_logit
from rtseg.session.enhancement import ViewFilter
from rtseg.session.sector import Locator, SectorFinder
from rtseg.session.stabilizer import DEFAULT_TEMPORAL, TemporalOptions

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """Holds the settings with which a session segments a frame. Raises ConfigError for a value that is out of range."""

    threshold: float = 0.5
    """Probability above which a pixel belongs to the class, for networks of one class with one output; between 0 and 1."""
    temporal: TemporalOptions | None = DEFAULT_TEMPORAL
    """Stabilization of masks beyond the network's own memory; None: off."""
    speckle: ViewFilter | None = None
    """Filter before the network; None: off."""
    memory: bool = True
    """Whether the network's state is carried from frame to frame."""
    locator: Locator = field(default_factory=SectorFinder)
    """Finds the ultrasound sector; `WholeFrame()` for frames that show nothing else."""
    uncertainty: bool = False
    """Whether the entropy along each class's border is computed, which an overlay draws as the contour's width."""
    measure_unfamiliar: bool = False
    """Whether pictures that are unfamiliar to the model are measured too."""

    probabilities: bool = False
    """Whether segmentations hold the probabilities on the network's cells (`Segmentation.planes`), which sinks may write."""

    def __post_init__(self) -> None:
        _check_threshold(self.threshold)
        _check(
            self.temporal is None or isinstance(self.temporal, TemporalOptions), "temporal", self.temporal, "TemporalOptions"
        )
        is_filter = self.speckle is None or isinstance(self.speckle, ViewFilter)
        _check(is_filter, "speckle", self.speckle, "a SpeckleFilter or an Enhancement")
        for name in ("memory", "uncertainty", "measure_unfamiliar", "probabilities"):
            value = getattr(self, name)
            if not isinstance(value, bool | np.bool_):
                raise ConfigError(f"{name} is {value!r}: give True or False")
        if not all(callable(getattr(self.locator, name, None)) for name in ("observe", "forget")):
            raise ConfigError(f"the locator is {self.locator!r}: give SectorFinder(), WholeFrame() or FixedSector(box)")


class _HasSettings(Protocol):
    """Describes a session, as far as `SettingAttribute` uses it."""

    @property
    def settings(self) -> SessionSettings: ...

    def _change_setting(self, name: str, value: Any) -> None: ...


class SettingAttribute(Generic[T]):
    """Reads and sets one value of a session's settings as an attribute. It stays for one release; set `settings` instead."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, session: _HasSettings, owner: type) -> T:
        if session is None:
            raise AttributeError(
                f"{self._name!r} is a setting of a session, not of its class: take SessionSettings.{self._name}"
            )
        value: T = getattr(session.settings, self._name)
        return value

    def __set__(self, session: _HasSettings, value: T) -> None:
        session._change_setting(self._name, value)


class AdjustableSettings:
    """Holds the settings of the next frame of a session, which any thread may change; each is also an attribute."""

    threshold = SettingAttribute[float]()
    temporal = SettingAttribute[TemporalOptions | None]()
    speckle = SettingAttribute[ViewFilter | None]()
    memory = SettingAttribute[bool]()
    locator = SettingAttribute[Locator]()
    uncertainty = SettingAttribute[bool]()

    def __init__(self, settings: SessionSettings) -> None:
        self._settings_lock = Lock()
        self._requested = settings

    @property
    def settings(self) -> SessionSettings:
        """Return the settings of the next frame.

        Set them as a whole, `session.settings = replace(session.settings, memory=False)`, from any thread: a frame is segmented
        with one value of them. Raises ConfigError.
        """
        return self._requested

    @settings.setter
    def settings(self, settings: SessionSettings) -> None:
        if not isinstance(settings, SessionSettings):
            raise ConfigError(
                f"settings are {settings!r}: give SessionSettings, such as replace(session.settings, memory=False)"
            )
        with self._settings_lock:
            self._requested = settings

    def _change_setting(self, name: str, value: Any) -> None:
        with self._settings_lock:
            self._requested = replace(self._requested, **{name: value})


def _check(is_right: bool, name: str, value: object, wanted: str) -> None:
    if not is_right:
        raise ConfigError(f"{name} is {value!r}: give {wanted}, or None to switch it off")


def _check_threshold(threshold: Any) -> None:
    if isinstance(threshold, bool) or not isinstance(threshold, Real):
        raise ConfigError(f"the threshold is {threshold!r}: give a number between 0 and 1")
    threshold_logit(float(threshold))

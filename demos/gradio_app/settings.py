"""Hold and validate the settings that a visitor chooses on the page."""

from dataclasses import dataclass, replace
from enum import Enum
from math import isfinite

from rtseg.engines.load import ENGINES
from rtseg.engines.zoo import shipped_models
from rtseg.errors import ConfigError
from rtseg.kernels.network.logits import threshold_logit
from rtseg.overlay import Overlay
from rtseg.session.enhancement import STEP_NAMES, single_filter
from rtseg.session.sector import Locator, SectorFinder, WholeFrame
from rtseg.session.session import Session
from rtseg.session.stabilizer import DEFAULT_TEMPORAL, TemporalOptions

NO_FILTER = "none"
MAX_AGE_MS = 250.0  # an older mask is marked LATE and fades


class Appearance(str, Enum):
    """Selects the drawing that the page shows."""

    OVERLAY = "overlay"
    RAW_BESIDE = "raw beside overlay"
    TWO_MODELS = "two models"


@dataclass(frozen=True, slots=True)
class DemoSettings:
    """Holds all settings of a stream; they may change while it runs. Raises ConfigError for an invalid value."""

    model: str = "carotid-int8"  # one of `models()`
    engine: str = "openvino"  # one of ENGINES
    opacity: float = 0.4  # of the masks, 0 to 1
    contour: int = 2  # width in pixels; 0: none
    threshold: float = 0.5  # probability above which a pixel belongs to a class
    smoothing: float = DEFAULT_TEMPORAL.smoothing  # of `TemporalOptions`; 0: no temporal stabilization
    speckle: str = NO_FILTER  # one of STEP_NAMES, or NO_FILTER
    sector: bool = True  # crop to the ultrasound sector and redact the area outside it
    memory: bool = True  # carry the recurrent states from frame to frame
    masks: bool = True  # draw masks and legend
    appearance: str = Appearance.OVERLAY.value  # a value of `Appearance`
    second: str = "carotid"  # the model for `Appearance.TWO_MODELS`

    def __post_init__(self) -> None:
        _check("model", self.model, models())
        _check("model", self.second, models())
        _check("engine", self.engine, ENGINES)
        _check("filter", self.speckle, (NO_FILTER, *STEP_NAMES))
        _check("view", self.appearance, [look.value for look in Appearance])
        for name in ("opacity", "contour", "threshold", "smoothing"):
            _check_number(name, getattr(self, name))
        for name in ("sector", "memory", "masks"):
            if not isinstance(getattr(self, name), bool):
                raise ConfigError(f"{name} is on or off: use the page's own controls")
        threshold_logit(self.threshold)
        self.overlay()
        self.temporal()

    def overlay(self) -> Overlay:
        """Return the overlay that draws the masks. Raises ConfigError."""
        opacity, contour = (self.opacity, self.contour) if self.masks else (0, 0)
        return Overlay(opacity, contour, legend=self.masks, notice=False, oldest_ms=MAX_AGE_MS)

    def temporal(self) -> TemporalOptions | None:
        """Return the options of temporal stabilization: the defaults with this smoothing; None for 0. Raises ConfigError."""
        return replace(DEFAULT_TEMPORAL, smoothing=self.smoothing) if self.smoothing else None

    def locator(self) -> Locator:
        """Return the locator of the ultrasound sector."""
        return SectorFinder() if self.sector else WholeFrame()

    def apply_to(self, session: Session, before: "DemoSettings | None" = None) -> None:
        """Apply the settings to a session from its next frame on; before: the settings in effect. Raises ConfigError."""
        present = session.settings
        session.settings = replace(
            present,
            threshold=self.threshold,
            memory=self.memory,
            temporal=self.temporal(),
            speckle=None if self.speckle == NO_FILTER else single_filter(self.speckle),
            locator=self.locator() if before is None or before.sector != self.sector else present.locator,
        )


def models() -> list[str]:
    """Return the names of the models to choose from: the shipped ones, never a file."""
    return list(shipped_models())


def _check_number(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not isfinite(value):
        raise ConfigError(f"{name} is no number: use the page's own controls")
    if name == "contour" and value != int(value):
        raise ConfigError("the contour is a whole number of pixels: use the page's own controls")


def _check(what: str, chosen: str, offered: "list[str] | tuple[str, ...]") -> None:
    if chosen not in offered:
        raise ConfigError(f"there is no {what} {chosen!r}: choose one of {', '.join(offered)}")

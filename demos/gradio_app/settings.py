"""What a visitor of the page has chosen."""

from dataclasses import dataclass, replace
from enum import Enum
from math import isfinite

from rtseg.engines.load import ENGINES
from rtseg.engines.zoo import shipped
from rtseg.errors import ConfigError
from rtseg.kernels.network.logits import cut
from rtseg.overlay import Overlay
from rtseg.session.sector import Locator, SectorFinder, WholeFrame
from rtseg.session.session import Session
from rtseg.session.speckle import FILTERS, SpeckleFilter
from rtseg.session.stabilizer import STEADY, TemporalOptions

NO_FILTER = "none"
OLDEST_MS = 250.0  # a mask that is older is marked LATE, and fades


class Look(str, Enum):
    """What stands in the picture's place."""

    OVERLAY = "overlay"
    RAW_BESIDE = "raw beside overlay"
    TWO_MODELS = "two models"


@dataclass(frozen=True, slots=True)
class Settings:
    """All that acts on a stream while it runs. Raises ConfigError for what is not on offer, whoever says so."""

    model: str = "carotid-int8"
    engine: str = "openvino"
    opacity: float = 0.4
    contour: int = 2
    threshold: float = 0.5
    smoothing: float = STEADY.smoothing
    speckle: str = NO_FILTER
    sector: bool = True
    memory: bool = True
    masks: bool = True
    look: str = Look.OVERLAY.value
    second: str = "carotid"

    def __post_init__(self) -> None:
        _check("model", self.model, models())
        _check("model", self.second, models())
        _check("engine", self.engine, ENGINES)
        _check("filter", self.speckle, (NO_FILTER, *FILTERS))
        _check("view", self.look, [look.value for look in Look])
        for name in ("opacity", "contour", "threshold", "smoothing"):
            _check_number(name, getattr(self, name))
        for name in ("sector", "memory", "masks"):
            if not isinstance(getattr(self, name), bool):
                raise ConfigError(f"{name} is on or off: use the page's own controls")
        cut(self.threshold)
        self.overlay()
        self.temporal()

    def overlay(self) -> Overlay:
        """How masks are drawn. Raises ConfigError."""
        opacity, contour = (self.opacity, self.contour) if self.masks else (0, 0)
        return Overlay(opacity, contour, legend=self.masks, notice=False, oldest_ms=OLDEST_MS)

    def temporal(self) -> TemporalOptions | None:
        """How masks are steadied: as by default but for the smoothing, not at all without. Raises ConfigError."""
        return replace(STEADY, smoothing=self.smoothing) if self.smoothing else None

    def locator(self) -> Locator:
        """How the ultrasound is found on the frame."""
        return SectorFinder() if self.sector else WholeFrame()

    def set_on(self, session: Session, before: "Settings | None" = None) -> None:
        """Let them act on a session from its next frame on; before: those that act now. Raises ConfigError."""
        session.threshold, session.memory = self.threshold, self.memory
        session.temporal = self.temporal()
        session.speckle = None if self.speckle == NO_FILTER else SpeckleFilter(self.speckle)
        if before is None or before.sector != self.sector:
            session.locator = self.locator()


def models() -> list[str]:
    """The models on offer: the shipped ones, and no file."""
    return list(shipped())


def _check_number(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not isfinite(value):
        raise ConfigError(f"{name} is no number: use the page's own controls")
    if name == "contour" and value != int(value):
        raise ConfigError("the contour is a whole number of pixels: use the page's own controls")


def _check(what: str, chosen: str, offered: "list[str] | tuple[str, ...]") -> None:
    if chosen not in offered:
        raise ConfigError(f"there is no {what} {chosen!r}: choose one of {', '.join(offered)}")

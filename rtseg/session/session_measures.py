"""Measures what a session segments: what the user names, or what the model does."""

from collections.abc import Sequence
from dataclasses import replace

from rtseg.engines.base import ModelSpec
from rtseg.errors import ConfigError
from rtseg.frame import Frame, Life, Segmentation
from rtseg.measure.biometry import Biometry, RequestedMeasure, request_measures
from rtseg.measure.measure_follower import MeasureFollower
from rtseg.measure.quantities import find_quantity
from rtseg.session.sector import Sector
from rtseg.session.sector.edge import SectorEdge
from rtseg.text.log_records import get_logger

_log = get_logger(__name__)


class SessionMeasures:
    """Measures the frames of one stream.

    spec: the model's. names: as in `request_measures`; None: those of the model. has_objects: whether the classes are the
    objects that users point at, which come and go. Raises ConfigError.
    """

    def __init__(self, spec: ModelSpec, names: Sequence[str] | None, *, has_objects: bool = False) -> None:
        if isinstance(names, str):
            raise ConfigError(f"measures is the text {names!r}: give a list of names, such as [{names!r}]")
        self._names, self._has_objects, self._edge = tuple(names or ()), has_objects, SectorEdge()
        self._last: Segmentation | None = None  # the newest one that was measured
        self._follower = MeasureFollower()
        if has_objects:
            self._classes: tuple[str, ...] = ()
            for name in self._names:
                find_quantity(name.partition("=")[0])
            self._biometry = Biometry(())
        else:
            self._classes = spec.classes
            requested = known_measures(spec.measures, spec.classes) if names is None else request_measures(names, spec.classes)
            self._biometry = Biometry([_with_factor(one, spec) for one in requested])

    @property
    def requested(self) -> tuple[RequestedMeasure, ...]:
        """Return what is measured."""
        return self._biometry.requested

    @property
    def is_requested(self) -> bool:
        """Return whether anything is measured."""
        return bool(self._biometry.requested or (self._has_objects and self._names))

    def measured(self, found: Segmentation, frame: Frame, sector: Sector, *, is_spacing_given: bool) -> Segmentation:
        """Return the segmentation with its measures.

        A held picture keeps the measures of the frame that it repeats, as long as its pixels have the same size.

        is_spacing_given: whether the user stated the size of a pixel.
        """
        if not self.is_requested:
            return found
        if self._has_objects and found.classes != self._classes:
            self._classes, self._biometry = found.classes, Biometry(known_measures(self._names, found.classes))
        spacing_from = "user" if is_spacing_given else frame.spacing_from or "source"
        last, is_held = self._last, found.life is Life.HELD
        if is_held and last and last.labels is found.labels and last.spacing_mm == found.spacing_mm:
            return self._follower.followed(replace(found, measures=last.measures), frame)
        edge = self._edge.places(sector, found.labels.shape)
        measures = self._biometry.measure(found, edge, found.planes, spacing_from)
        followed = self._follower.followed(replace(found, measures=measures), frame)
        self._last = replace(followed, planes=None)
        return followed


def _with_factor(one: RequestedMeasure, spec: ModelSpec) -> RequestedMeasure:
    """Return a measure with the factor of its range that the model states."""
    factor = dict(spec.range_factors).get(one.name)
    return replace(one, range_factor=factor) if factor else one


def known_measures(names: Sequence[str], classes: Sequence[str]) -> tuple[RequestedMeasure, ...]:
    """Return the measures that the names stand for, without those that these classes do not allow, which are logged."""
    known: list[RequestedMeasure] = []
    for name in names:
        try:
            known += request_measures([name], classes)
        except ConfigError as error:
            _log.warning("a measure is left out: %s", error)
    return tuple(known)

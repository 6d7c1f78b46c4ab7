"""Choose what a session measures: what the user names, or what the model does."""

from collections.abc import Sequence

from rtseg.engines.base import ModelSpec
from rtseg.errors import ConfigError
from rtseg.measure.biometry import RequestedMeasure, request_measures
from rtseg.text.log_records import get_logger

_log = get_logger(__name__)


def requested_measures(spec: ModelSpec, names: Sequence[str] | None) -> tuple[RequestedMeasure, ...]:
    """Return the measures that the names stand for; None: those of the model, without what is unknown here, which is logged.

    Raises ConfigError for a name, or a text in place of names, that stands for nothing.
    """
    if isinstance(names, str):
        raise ConfigError(f"measures is the text {names!r}: give a list of names, such as [{names!r}]")
    if names is not None:
        return request_measures(names, spec.classes)
    known: list[RequestedMeasure] = []
    for name in spec.measures:
        try:
            known += request_measures([name], spec.classes)
        except ConfigError as error:
            _log.warning("the model %s names a measure that is left out: %s", spec.name, error)
    return tuple(known)

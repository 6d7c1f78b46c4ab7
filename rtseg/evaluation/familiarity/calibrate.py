"""Calibrates one or several networks: gathers their own and other pictures, fits, and measures."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from rtseg.engines.base import Engine, ModelSpec
from rtseg.errors import DatasetError
from rtseg.evaluation.dataset import Case, open_dataset
from rtseg.evaluation.familiarity.calibration_report import measure_calibration
from rtseg.evaluation.familiarity.discriminant import FeatureTable, fit
from rtseg.evaluation.familiarity.gathering import gather_features
from rtseg.evaluation.familiarity.model_picture import NamedPicture, Rng, model_pictures
from rtseg.evaluation.familiarity.other_pictures import COUNT, generic_pictures, scrambled_pictures
from rtseg.sources import open_source

SCRAMBLED = 12  # own pictures that are scrambled


@dataclass(frozen=True, slots=True)
class CalibrationPlan:
    """Holds what a calibration is made from."""

    own: tuple[Case, ...]
    """The pictures of the subjects that the network was trained on."""
    held_out: tuple[Case, ...] = ()
    """Own pictures of subjects that it has not seen; only measured."""
    others: tuple[Path, ...] = ()
    """Folders of other anatomies, with images/ and masks/."""
    measured: tuple[str, ...] = ()
    """Sources, or folders with images/ and masks/, that are only measured."""
    without: tuple[str, ...] = ()
    """Groups of drawn pictures that are left out, such as "synthetic" for a network of vessels."""
    frames: int = 150
    """Own pictures at most."""
    other_frames: int = 24
    """Pictures of each other folder or source at most."""


@dataclass(frozen=True, slots=True)
class GatheredFeatures:
    """Holds the features of one network's own and of other pictures."""

    own: FeatureTable
    held_out: FeatureTable | None
    others: FeatureTable
    measured: FeatureTable | None


def gather(engines: Mapping[str, Engine], plan: CalibrationPlan) -> dict[str, GatheredFeatures]:
    """Return the features for each engine; all take the same input. Raises DatasetError, EngineError, SourceError."""
    rng, spec = np.random.default_rng(0), next(iter(engines.values())).spec
    own = _gathered(engines, spec, _case_pictures("own", plan.own, plan.frames), rng)
    held_out = _gathered(engines, spec, _case_pictures("own", plan.held_out, plan.frames), rng) if plan.held_out else None
    others = _gathered(engines, spec, _other_pictures(plan, rng), rng)
    sources = (one for uri in plan.measured for one in _source_pictures(uri, plan.other_frames))
    measured = _gathered(engines, spec, sources, rng) if plan.measured else None
    return {
        name: GatheredFeatures(
            own[name], held_out[name] if held_out else None, others[name], measured[name] if measured else None
        )
        for name in engines
    }


def calibrated(spec: ModelSpec, gathered: GatheredFeatures) -> tuple[ModelSpec, dict[str, Any]]:
    """Return the spec with its calibration, and the report of what it is worth. Raises DatasetError."""
    try:
        found = fit(gathered.own, gathered.others, spec.size)
    except ValueError as error:
        raise DatasetError(f"{error}: add pictures of others") from None
    report = measure_calibration(gathered.own, gathered.held_out, gathered.others, gathered.measured, spec.size)
    facts = {
        "frames": len(gathered.own),
        "subjects": len(np.unique(gathered.own.subjects)),
        "others": [str(group) for group in np.unique(gathered.others.groups)],
    }
    return replace(spec, familiarity=replace(found, facts=facts)), {"fitted_to": facts} | report


def _gathered(
    engines: Mapping[str, Engine], spec: ModelSpec, pictures: Iterator[NamedPicture], rng: Rng
) -> dict[str, FeatureTable]:
    return gather_features(engines, model_pictures(spec, pictures, rng))


def _case_pictures(group: str, cases: Sequence[Case], count: int) -> Iterator[NamedPicture]:
    """Yield pictures spread over the cases, which are in the order of their subjects."""
    places = np.unique(np.linspace(0, len(cases) - 1, min(count, len(cases))).round().astype(int))
    return (NamedPicture(group, cases[i].subject, cases[i].image()) for i in places)


def _other_pictures(plan: CalibrationPlan, rng: Rng) -> Iterator[NamedPicture]:
    for folder in plan.others:
        yield from _case_pictures(folder.name, open_dataset(folder), plan.other_frames)
    yield from (one for one in generic_pictures(rng, COUNT) if one.group not in plan.without)
    yield from scrambled_pictures(_case_pictures("own", plan.own, SCRAMBLED), rng)


def _source_pictures(uri: str, count: int) -> Iterator[NamedPicture]:
    """Yield pictures of a dataset's folder, or of a source spread over its frames, or over its first 20 `count`."""
    if (Path(uri) / "images").is_dir():
        yield from _case_pictures(Path(uri).name, open_dataset(uri), count)
        return
    with closing(open_source(uri)) as source:
        step = max(1, min(source.info.frames or 20 * count, 20 * count) // count)
        for frame in islice(source, 0, step * count, step):
            yield NamedPicture(Path(uri).stem, str(frame.index // 30), frame.image)

"""Makes the clips of `rtseg bench track`: frames of a folder, the synthetic phantom, and stills in simulated motion."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from rtseg.bench.tracking.clip import TrackingClip
from rtseg.bench.tracking.frames_folder import read_clips
from rtseg.cli.app import console
from rtseg.errors import ConfigError, DatasetError
from rtseg.frame import Mask
from rtseg.sources.synthetic import open_synthetic

SYNTHETIC = "synthetic:"


def folder_clips(folder: Path, subjects: str, held_out: Path | None) -> list[TrackingClip]:
    """Return the clips of a folder's subjects, and print which are left out. Raises DatasetError, ConfigError."""
    if subjects and held_out:
        raise ConfigError("--subjects and --held-out both name subjects: give one of them")
    names = [name.strip() for name in subjects.split(",")] if subjects else held_out_subjects(held_out) if held_out else ()
    clips, left_out = read_clips(folder, names)
    for line in left_out:
        console.print(f"left out: {line}", style="yellow", markup=False, highlight=False)
    return clips


def held_out_subjects(config: Path) -> tuple[str, ...]:
    """Return the subjects that a training's .toml holds out. Raises ConfigError."""
    from rtseg.train.config import read_config

    data = read_config(config).data
    if not data.held_out:
        raise ConfigError(f"{config} names nobody as held out: its training saw all; name the .toml of one that did not")
    return data.held_out


def phantom_clip(uri: str, frames: int) -> TrackingClip:
    """Return the first frames of a synthetic vessel with its exact truth. Raises ConfigError, DatasetError."""
    options = uri.removeprefix(SYNTHETIC)
    probe = open_synthetic(f"{options}{'&' if '?' in options else '?'}frames={frames}")
    with closing(probe):
        shown = list(probe)
    truths = tuple(probe.truth(frame.index) == 1 for frame in shown)
    if not truths[0].any():
        raise DatasetError(f"{uri} does not show the vessel in its first frame: leave out faults= that begin there")
    return TrackingClip("phantom", tuple(frame.image for frame in shown), truths)


def simulated_clips(config: Path, frames: int, most: int, seed: int) -> list[TrackingClip]:
    """Return a clip of each region of the held-out subjects' stills in simulated motion. Raises ConfigError, DatasetError."""
    from rtseg.train.config import read_config

    settings, clips = read_config(config), list[TrackingClip]()
    from rtseg.train.tracking.simulated_scans import simulate_scans

    for scan in simulate_scans(settings, frames, most, seed):
        for place, label in enumerate(scan.labels):
            same = [other for other, value in enumerate(scan.labels) if value == label and other != place]
            others = _joined([scan.truths[other] for other in same]) if same else ()
            name = f"{scan.subject} object {place + 1}{', two planes' if scan.has_other_plane else ''}"
            clips.append(TrackingClip(name, scan.images, scan.truths[place], label, others))
    return clips


def _joined(tracks: Sequence[tuple[Mask, ...]]) -> tuple[Mask, ...]:
    """Return the union of several regions in each frame."""
    return tuple(np.logical_or.reduce(masks) for masks in zip(*tracks, strict=True))


def class_model_of(config: Path) -> str:
    """Return the class model that never saw the held-out subjects of a .toml in the zoo. Raises ConfigError."""
    for path in (config.parent / "held_out" / f"{config.stem}.onnx", config.with_suffix(".onnx")):
        if path.exists():
            return str(path)
    raise ConfigError(f"no class model lies beside {config}: name one with --model")

"""Reads clips of consecutive frames, some or all of them with masks, from FOLDER/images and FOLDER/masks."""

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from rtseg.bench.tracking.clip import TrackingClip
from rtseg.bench.tracking.regions import find_objects
from rtseg.errors import DatasetError
from rtseg.evaluation.dataset.mask_values import check_whole_numbers
from rtseg.evaluation.dataset.pairs import without_mask_word
from rtseg.evaluation.dataset.picture_files import SUFFIXES, is_picture, stem_of
from rtseg.evaluation.dataset.pictures import read_image, read_mask
from rtseg.evaluation.dataset.subject_names import subject_and_order
from rtseg.frame import Image, Labels

_MAX_VALUES = 32  # a mask with more values has smoothed edges
_WHITE = 255  # a label that stands for the only class

Sequences = dict[str, tuple[str, ...]]  # the stems of each subject in order of time


def read_clips(folder: Path, subjects: Collection[str] = ()) -> tuple[list[TrackingClip], list[str]]:
    """Return a clip of each object that a subject's first mask shows, and why other subjects are left out.

    Pictures are named SUBJECT_frameNNN, or are all of one subject in order of their numbers. Frames before the first mask are
    left out; later ones need no mask. subjects: the only ones to read; empty: all. Raises DatasetError.
    """
    images, masks = _files(folder, "images"), _masks(folder)
    sequences = _sequences(images)
    _check_names(folder, images, masks, sequences, subjects)
    clips, left_out = list[TrackingClip](), list[str]()
    for subject in subjects or sequences:
        try:
            clips += _subject_clips(subject, sequences[subject], images, masks)
        except DatasetError as error:
            if len(sequences) == 1:
                raise
            left_out.append(str(error))
    if not clips:
        raise DatasetError(f"{folder} has no clip to follow an object in: {left_out[0]}")
    return clips, left_out


def _files(folder: Path, kind: str) -> dict[str, Path]:
    if not (folder / kind).is_dir():
        raise DatasetError(f"{folder} has no folder {kind!r}: lay it out as images/NAME.png and masks/NAME.png")
    paths = sorted(path for path in (folder / kind).iterdir() if is_picture(path))
    if not paths:
        raise DatasetError(f"{folder / kind} holds no picture: put {', '.join(SUFFIXES)} files there")
    by_stem = {stem_of(path): path for path in paths}
    if len(by_stem) < len(paths):
        raise DatasetError(f"two files of {folder / kind} have one name with two suffixes: keep one of them")
    return by_stem


def _masks(folder: Path) -> dict[str, Path]:
    """Return the masks by the stem of their picture, which they may add a word to, as in x_mask. Raises DatasetError."""
    images, files = _files(folder, "images"), _files(folder, "masks")
    masks = {stem if stem in images else without_mask_word(stem): path for stem, path in files.items()}
    if len(masks) < len(files):
        raise DatasetError(f"{folder} has two masks of one image: keep one of them")
    return masks


def _sequences(images: Collection[str]) -> Sequences:
    """Return the stems by subject, in order of time; all of one subject where a name states none."""
    named = {stem: subject_and_order(stem) for stem in images}
    if any(subject == stem for stem, (subject, _) in named.items()):
        return {"": tuple(sorted(images, key=_natural))}
    ordered = sorted(images, key=lambda stem: (named[stem], stem))
    found: dict[str, list[str]] = {}
    for stem in ordered:
        found.setdefault(named[stem][0], []).append(stem)
    return {subject: tuple(stems) for subject, stems in found.items()}


def _natural(stem: str) -> list[tuple[int, str]]:
    """Return a key by which frame2 comes before frame10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", stem) if part]


def _check_names(
    folder: Path, images: Collection[str], masks: Collection[str], sequences: Sequences, subjects: Collection[str]
) -> None:
    alone = sorted(set(masks) - set(images))
    if alone:
        raise DatasetError(f"{len(alone)} masks of {folder} lack their image, {alone[0]!r} first: name both alike")
    unknown = sorted(set(subjects) - set(sequences))
    if unknown:
        raise DatasetError(f"{folder} has no subject {unknown[0]!r}: there are {', '.join(list(sequences)[:12]) or 'none'}")


def _subject_clips(
    subject: str, stems: Sequence[str], images: Mapping[str, Path], masks: Mapping[str, Path]
) -> list[TrackingClip]:
    """Return a clip of each object of one subject. Raises DatasetError."""
    first = next((place for place, stem in enumerate(stems) if stem in masks), len(stems))
    stems, named = stems[first:], subject or "the clip"
    if sum(stem in masks for stem in stems) < 2:
        raise DatasetError(f"{named} has {len(stems)} frames from its first mask on, of which 2 or more need a mask: add some")
    pictures = _pictures([images[stem] for stem in stems])
    labels = [_labels(masks[stem], pictures[0]) if stem in masks else None for stem in stems]
    objects = find_objects(labels)
    if not objects:
        raise DatasetError(f"{masks[stems[0]]}, the first mask, shows no object: begin with a frame that shows it")
    return [
        TrackingClip(f"{subject} object {place}".strip(), pictures, one.truths, _class_of(one.value), one.others)
        for place, one in enumerate(objects, start=1)
    ]


def _class_of(value: int) -> int:
    return 1 if value == _WHITE else value


def _pictures(paths: Sequence[Path]) -> tuple[Image, ...]:
    pictures = tuple(map(_gray, paths))
    for path, picture in zip(paths, pictures, strict=True):
        if picture.shape != pictures[0].shape:
            raise DatasetError(
                f"{path} is {picture.shape} and the first frame {pictures[0].shape}: give frames of one size, or other folders"
            )
    return pictures


def _gray(path: Path) -> Image:
    pixels = read_image(path)
    return pixels if pixels.ndim == 2 else np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY), np.uint8)


def _labels(path: Path, picture: Image) -> Labels:
    values = check_whole_numbers(read_mask(path), path)
    if values.shape != picture.shape:
        raise DatasetError(f"{path} is {values.shape} and its image {picture.shape}: draw the mask on the image")
    if values.max() > _WHITE or len(np.unique(values)) > _MAX_VALUES:
        raise DatasetError(
            f"{path} holds values that are no labels, up to {values.max()}: save whole numbers without smoothing"
        )
    return values.astype(np.uint8)

"""Draws pictures that are no network's own: noise, textures, desktops, screens, the simulated probe, and scrambled tissue."""

from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import islice

import cv2
import numpy as np

from rtseg.evaluation.familiarity.model_picture import NamedPicture, Rng
from rtseg.frame import Image
from rtseg.sources.synthetic import open_synthetic
from rtseg.sources.synthetic.screens import TUNING_LAYOUTS, draw_layout, make_screen

SIZE = (480, 640)
COUNT = 16  # pictures of each group
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 .,:/-"
_BLOCKS = 6  # on each side, of a scrambled picture
_FRAMES_APART = 20  # of the simulated probe


def generic_pictures(rng: Rng, count: int = COUNT) -> Iterator[NamedPicture]:
    """Yield `count` pictures of each group that needs no data, each kind of a group as a subject."""
    for i in range(count):
        yield NamedPicture("noise", f"noise {i % 4}", _noise(i, rng))
        yield NamedPicture("texture", f"texture {i % 4}", _texture(i, rng))
        yield NamedPicture("desktop", f"desktop {i}", _desktop(rng))
    for i in range(count):
        layout = draw_layout(TUNING_LAYOUTS[i % len(TUNING_LAYOUTS)])
        yield NamedPicture("screen", f"layout {layout.number}", make_screen(layout, i, size=SIZE).frame(0))
    yield from _simulated(count)


def scrambled_pictures(pictures: Iterable[NamedPicture], rng: Rng) -> Iterator[NamedPicture]:
    """Yield each picture twice: with its blocks in random places, and with its gray levels inverted."""
    for picture in pictures:
        yield NamedPicture("scrambled", picture.subject, _scrambled(picture.image, rng))
        yield NamedPicture("inverted", picture.subject, 255 - picture.image)


def _simulated(count: int) -> Iterator[NamedPicture]:
    each = 3
    for seed in range(-(-count // each)):
        with closing(open_synthetic(f"vessel?seed={seed}")) as source:
            for frame in islice(source, 0, each * _FRAMES_APART, _FRAMES_APART):
                yield NamedPicture("synthetic", f"seed {seed}", frame.image)


def _noise(kind: int, rng: Rng) -> Image:
    """Return one of: uniform, Gaussian or Rayleigh noise of a random brightness, or a nearly flat picture."""
    level = rng.uniform(15, 110)
    noise = (
        lambda: rng.integers(0, 256, SIZE),
        lambda: rng.normal(level, level / 2, SIZE),
        lambda: rng.rayleigh(level / 1.5, SIZE),
        lambda: rng.normal(level, 3, SIZE),
    )[kind % 4]()
    return np.clip(noise, 0, 255).astype(np.uint8)


def _texture(kind: int, rng: Rng) -> Image:
    """Return one of: smooth noise, speckle with bands, blocks, or gradients."""
    level, grain = rng.uniform(20, 110), float(rng.uniform(1.5, 20))
    smooth = np.asarray(cv2.GaussianBlur(rng.standard_normal(SIZE), (0, 0), grain, sigmaY=grain * float(rng.uniform(0.3, 1))))
    smooth = smooth / smooth.std()
    rows = np.sin(np.arange(SIZE[0])[:, None] / rng.uniform(5, 60) + rng.uniform(0, 6))
    slope = np.linspace(-1, 1, SIZE[1])[None] * rng.choice((-1, 1)) + np.linspace(-1, 1, SIZE[0])[:, None]
    drawn = (
        level * (1 + 0.7 * smooth),
        level * np.exp(0.5 * smooth + 0.6 * rows),
        cv2.resize(rng.uniform(0, 2.2 * level, (12, 16)), SIZE[::-1], interpolation=cv2.INTER_NEAREST),
        level * (1 + slope / 2 + 0.2 * smooth),
    )[kind % 4]
    return np.clip(drawn, 0, 255).astype(np.uint8)


def _desktop(rng: Rng) -> Image:
    """Return windows and lines of text, without any ultrasound."""
    image = np.full((*SIZE, 3), rng.integers(0, 256, 3), np.uint8)
    for _ in range(rng.integers(3, 15)):
        top, left = int(rng.integers(0, SIZE[0] - 40)), int(rng.integers(0, SIZE[1] - 60))
        height, width = int(rng.integers(20, SIZE[0])), int(rng.integers(30, SIZE[1]))
        cv2.rectangle(image, (left, top), (left + width, top + height), tuple(rng.integers(0, 256, 3).tolist()), -1)
    for _ in range(rng.integers(8, 50)):
        text = "".join(rng.choice(list(_LETTERS), int(rng.integers(3, 40))))
        place, colour = (int(rng.integers(0, SIZE[1])), int(rng.integers(10, SIZE[0]))), tuple(rng.integers(0, 256, 3).tolist())
        cv2.putText(image, text, place, cv2.FONT_HERSHEY_SIMPLEX, float(rng.uniform(0.3, 1.0)), colour, 1, cv2.LINE_AA)
    return image


def _scrambled(image: Image, rng: Rng) -> Image:
    height, width = (side // _BLOCKS for side in image.shape[:2])
    scrambled = image.copy()
    places = [(row * height, column * width) for row in range(_BLOCKS) for column in range(_BLOCKS)]
    for (top, left), source in zip(places, rng.permutation(len(places)), strict=True):
        from_top, from_left = places[int(source)]
        scrambled[top : top + height, left : left + width] = image[from_top : from_top + height, from_left : from_left + width]
    return scrambled

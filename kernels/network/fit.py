"""Maps a box of the frame to a network's input: the same geometry places the pixels and maps the mask back."""

from dataclasses import dataclass
from numbers import Integral

from rtseg.errors import ImageError

Box = tuple[int, int, int, int]  # top, left, height, width


@dataclass(frozen=True, slots=True)
class Fit:
    """Maps a box of the frame to a rectangle of the network's input; the rest of the input is black.

    Frame row y, with its center at y + 0.5, is input row inner.top + (y + 0.5 - box.top) * inner.height / box.height - 0.5.
    Columns follow the same rule. Raises ImageError where a box is empty or not in whole pixels, or `inner` leaves the input.
    """

    box: Box  # in frame pixels
    size: tuple[int, int]  # (H, W) of the network's input
    inner: Box  # the rectangle that the box fills, in input pixels

    def __post_init__(self) -> None:
        for name, box in (("the crop", self.box), ("the fit's inner box", self.inner)):
            if len(box) != 4 or not all(isinstance(side, Integral) for side in box):
                raise ImageError(f"{name} {box} is not in whole pixels: give (top, left, height, width)")
            if min(box[:2]) < 0 or min(box[2:]) < 1:
                raise ImageError(f"{name} {box} is empty or begins outside: give (top, left, height, width) inside")
        check_inside("the fit's inner box", self.inner, self.size)


def letterbox(box: Box, size: tuple[int, int]) -> Fit:
    """Return the fit of `box` into the largest centered rectangle of `size` (H, W) with its aspect ratio. Raises ImageError."""
    scale = min(size[0] / box[2], size[1] / box[3])
    height, width = max(1, round(box[2] * scale)), max(1, round(box[3] * scale))
    return Fit(box, size, ((size[0] - height) // 2, (size[1] - width) // 2, height, width))


def check_inside(name: str, box: Box, shape: tuple[int, ...]) -> None:
    """Raise ImageError where the box ends outside an image of `shape` (H, W, ...)."""
    if box[0] + box[2] > shape[0] or box[1] + box[3] > shape[1]:
        raise ImageError(f"{name} {box} leaves {tuple(shape[:2])}: give (top, left, height, width) inside it")

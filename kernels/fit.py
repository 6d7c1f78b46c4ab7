"""Where a box of the frame lies in a network's input: the geometry goes in with the pixels and comes back with the mask."""

from dataclasses import dataclass

Box = tuple[int, int, int, int]  # top, left, height, width


@dataclass(frozen=True, slots=True)
class Fit:
    """A box of the frame, scaled into a rectangle of the network's input.

    box: in frame pixels. size: (H, W) of the input. inner: where the box lands, in input pixels; the rest of the input is
    black. Frame row y (its centre at y + 0.5) is input row inner.top + (y + 0.5 - box.top) * inner.height / box.height - 0.5,
    and columns alike.
    """

    box: Box
    size: tuple[int, int]
    inner: Box


def letterbox(box: Box, size: tuple[int, int]) -> Fit:
    """The largest centred rectangle of `size` (H, W) that has the proportions of `box`."""
    scale = min(size[0] / box[2], size[1] / box[3])
    height, width = max(1, round(box[2] * scale)), max(1, round(box[3] * scale))
    return Fit(box, size, ((size[0] - height) // 2, (size[1] - width) // 2, height, width))

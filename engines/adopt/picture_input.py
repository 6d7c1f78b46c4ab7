"""Finds how a network takes its picture: axes, dtype, channels, size, and what its own first operations subtract and divide."""

from dataclasses import dataclass
from typing import Any

from rtseg.engines.adopt.graph_normalization import normalization_from_graph, of_integers
from rtseg.engines.adopt.network_graph import NetworkGraph, Shape, constant_of, dtype_of, name_of, shape_of
from rtseg.engines.adopt.normalization import Normalization
from rtseg.engines.adopt.stated import StatedFacts
from rtseg.engines.spec_values import INPUT_DTYPES
from rtseg.errors import ModelError

MAX_CHANNELS = 64
_CONVOLUTIONS = {"Convolution", "GroupConvolution"}


@dataclass(frozen=True)
class PictureInput:
    """Describes the input that takes the picture."""

    name: str
    """The name of the input."""
    layout: str
    """Its axes, one of INPUT_LAYOUTS."""
    dtype: str
    """Its NumPy dtype."""
    channels: int
    """The channels of one frame: 1 or 3."""
    frames: int
    """The frames that are stacked as channels."""
    size: tuple[int, int]
    """(H, W) in pixels."""
    channel_order: str
    """"rgb" or "bgr"."""
    normalization: Normalization | None
    """What the graph itself says about the range of its input; None where it says nothing."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the shape of the input for one picture."""
        sides = {"N": 1, "C": self.channels * self.frames, "H": self.size[0], "W": self.size[1]}
        return tuple(sides[axis] for axis in self.layout)


def examine_picture(graph: NetworkGraph, port: Any, stated: StatedFacts) -> PictureInput:
    """Return how a network takes its picture. Raises ModelError."""
    name, shape, dtype = name_of(port), shape_of(port), dtype_of(port)
    if dtype not in INPUT_DTYPES:
        raise ModelError(f"{graph.path} takes {dtype} pictures in {name!r}: export it with float32 or uint8 input")
    convolution = _first_convolution(graph, port)
    layout = _layout_of(graph, port, shape, convolution, stated)
    sides = dict(zip(layout, shape or (-1,) * len(layout), strict=True))
    total = _channels_of(graph, sides.get("C", 1), convolution, stated)
    channels, frames = _split_frames(graph, total, stated)
    size = _size_of(graph, (sides["H"], sides["W"]), stated)
    order = stated.channel_order or ("bgr" if channels == 3 and _flips_channels(graph, port) else "rgb")
    normalization = of_integers(channels) if dtype == "uint8" else normalization_from_graph(graph, port, channels)
    return PictureInput(name, layout, dtype, channels, frames, size, order, normalization)


def _first_convolution(graph: NetworkGraph, port: Any) -> tuple[Any, bool] | None:
    """Return the first convolution after the picture, and whether the axes are turned from NHWC before it."""
    turned = False
    for node in graph.path_from(port):
        if node.get_type_name() in _CONVOLUTIONS:
            return node, turned
        if node.get_type_name() == "Transpose":
            order = constant_of(node.input_value(1))
            turned |= order is not None and tuple(order.astype(int)) == (0, 3, 1, 2)
    return None


def _layout_of(graph: NetworkGraph, port: Any, shape: Shape | None, convolution: Any, stated: StatedFacts) -> str:
    layout = ""
    if shape is None:
        layout = "NHWC" if convolution and convolution[1] else "NCHW" if convolution else ""
    elif len(shape) == 2:
        layout = "HW"
    elif len(shape) == 3:
        layout = _layout_of_three(shape)
    elif len(shape) == 4:
        layout = _layout_of_four(shape, convolution, stated)
    else:
        what = "a 3D network or one of whole clips" if len(shape) == 5 else f"a network of {len(shape)} axes"
        raise ModelError(
            f"{graph.path} takes {shape} in {name_of(port)!r}, which is {what}: "
            f"rtseg segments single pictures, give a 2D network"
        )
    if shape is not None and len(shape) == 4 and shape[0] not in (1, -1):
        raise ModelError(f"{graph.path} takes {shape[0]} pictures at once: export it for one picture, or with an open batch")
    if not layout:
        raise ModelError(f"{graph.path} takes {shape} in {name_of(port)!r}, whose axes are unclear: export it as (1, C, H, W)")
    if stated.axes == "wh" and layout != "NCHW":
        raise ModelError(f"{graph.path} takes pictures as {layout}: with --axes wh export it as (1, C, W, H)")
    return "NCWH" if stated.axes == "wh" else layout


def _layout_of_three(shape: Shape) -> str:
    first, last = _is_channels(shape[0]), _is_channels(shape[2])
    if first == last:
        return ""
    if first:
        return "NHW" if shape[0] in (1, -1) else "CHW"
    return "HWC"


def _layout_of_four(shape: Shape, convolution: Any, stated: StatedFacts) -> str:
    """Return the layout by the only axis that is small, else by the first convolution, else by the stated size."""
    first, last = _is_channels(shape[1]), _is_channels(shape[3])
    if first != last and -1 not in (shape[1], shape[3]):
        return "NCHW" if first else "NHWC"
    if convolution:
        return "NHWC" if convolution[1] else "NCHW"
    if stated.size and (shape[2:] == stated.size) != (shape[1:3] == stated.size):
        return "NCHW" if shape[2:] == stated.size else "NHWC"
    first, last = first and shape[1] > 0, last and shape[3] > 0
    return ("NCHW" if first else "NHWC") if first != last else ""


def _is_channels(side: int) -> bool:
    return side == -1 or side <= MAX_CHANNELS // 4


def _channels_of(graph: NetworkGraph, side: int, convolution: Any, stated: StatedFacts) -> int:
    if side > 0:
        return side
    if convolution:
        weights = shape_of(convolution[0].input_value(1))
        if weights and weights[1] > 0:
            return int(weights[1] * (weights[0] if convolution[0].get_type_name() == "GroupConvolution" else 1))
    if stated.mean:
        return len(stated.mean) * max(1, stated.frames)
    raise ModelError(f"{graph.path} does not say how many channels it takes: give --mean and --std with a value for each")


def _split_frames(graph: NetworkGraph, total: int, stated: StatedFacts) -> tuple[int, int]:
    """Return the channels of one frame and the number of frames. Raises ModelError."""
    frames = stated.frames or 1
    if total % frames or total // frames not in (1, 3):
        if total // max(frames, 1) == 2 and stated.spec and stated.spec.planes:
            return total, frames
        raise ModelError(
            f"{graph.path} takes {total} channels: say with --frames-stacked N that they are N gray frames, the newest last"
            if frames == 1
            else f"{graph.path} takes {total} channels, which are not {frames} frames of 1 or 3: give another --frames-stacked"
        )
    return total // frames, frames


def _size_of(graph: NetworkGraph, sides: tuple[int, int], stated: StatedFacts) -> tuple[int, int]:
    given = stated.size or sides
    found = tuple(side if side > 0 else told for side, told in zip(sides, given, strict=True))
    if stated.size and found != stated.size:
        raise ModelError(f"{graph.path} takes pictures of {found[0]}x{found[1]}: give --size {found[0]}x{found[1]}, or none")
    if min(found) < 1:
        raise ModelError(f"{graph.path} takes pictures of any size: give the size that it was trained with, --size HxW")
    if not all(8 <= side <= 4096 for side in found):
        raise ModelError(f"{graph.path} takes pictures of {found[0]}x{found[1]}: export it for 8 to 4096 pixels a side")
    return found[0], found[1]


def _flips_channels(graph: NetworkGraph, port: Any) -> bool:
    """Return whether the graph itself reverses the channels, from BGR to the RGB that it was trained with."""
    for node in graph.path_from(port):
        kind = node.get_type_name()
        if kind in _CONVOLUTIONS:
            return False
        if kind == "Gather":
            indices = constant_of(node.input_value(1))
            return indices is not None and indices.ravel().tolist() == [2, 1, 0]
        if kind == "StridedSlice":
            steps = constant_of(node.input_value(3)) if node.get_input_size() > 3 else None
            return steps is not None and -1 in steps.ravel()
    return False

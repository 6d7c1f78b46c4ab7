"""How fast the kernels are: each beside the best other way to the same result, turn by turn, and against a memory copy."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from statistics import median as middle
from time import perf_counter_ns
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from rtseg import kernels
from rtseg.frame import Image, Labels
from rtseg.kernels import cases

Call = Callable[[], object]
Times = Sequence[int]  # nanoseconds

SIZES = ((256, 256), (720, 1280), (1080, 1920))  # (H, W)
QUICK_SIZES = ((256, 256),)
NETWORK = (256, 256)  # (H, W) of a network's input
MEAN, STD = 50.0, 40.0  # grey levels
PALETTE = np.array([(230, 60, 60), (60, 200, 90)], np.uint8)
BUDGET_NS = 400_000_000  # of one contest
LARGEST_IN_NUMPY = 720 * 1280  # pixels: beyond it the definitions take many seconds a call and say nothing new
TURNS = (3, 41)  # at the least and at the most


@dataclass(frozen=True, slots=True)
class KernelRow:
    """One kernel on one size of picture, beside somebody else's way.

    ours_ms, theirs_ms: medians over turns that alternate. ratio: theirs by ours, above 1 where ours is faster.
    gigabytes_per_s: what must be read and written, once, by our time; of_copy: that, as a share of what a plain copy reaches.
    copies: our time in plain copies of an RGB frame of this size. best_ratio, best_copies: the same of the fastest turns, which
    a busy machine spoils least.
    """

    kernel: str
    height: int
    width: int
    theirs: str
    ours_ms: float
    theirs_ms: float
    ratio: float
    gigabytes_per_s: float
    of_copy: float
    copies: float
    best_ratio: float
    best_copies: float

    def to_json(self) -> dict[str, Any]:
        """The row as plain values."""
        return {name: round(value, 4) if isinstance(value, float) else value for name, value in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class Contest:
    """Our call and another one for the same work, and the bytes that it must read and write."""

    kernel: str
    theirs: str
    our_call: Call
    their_call: Call
    traffic: int


def measure_kernels(sizes: Sequence[tuple[int, int]] = SIZES, only: Sequence[str] = ()) -> list[KernelRow]:
    """Time the kernels on pictures of these sizes, (H, W), all of them or `only` the named ones; this takes minutes."""
    rows = []
    for height, width in sizes:
        copying = _copying((height, width))
        for contest in contests((height, width)):
            if not only or contest.kernel in only:
                rows.append(_row(contest, (height, width), copying))
    return rows


def _copying(shape: tuple[int, int]) -> Times:
    """How long a plain copy of an RGB frame takes."""
    frame, copy = np.ones((*shape, 3), np.uint8), np.ones((*shape, 3), np.uint8)
    return take_turns(Contest("copy", "", lambda: np.copyto(copy, frame), lambda: None, 2 * frame.nbytes))[0]


def alternate(contest: Contest) -> tuple[float, float]:
    """The medians in nanoseconds of our call and theirs, which take turns."""
    ours, theirs = take_turns(contest)
    return middle(ours), middle(theirs)


def take_turns(contest: Contest) -> tuple[Times, Times]:
    """The nanoseconds of our calls and theirs, which take turns; the first call of each does not count."""
    once = _time(contest.our_call) + _time(contest.their_call)
    once = _time(contest.our_call) + _time(contest.their_call)
    turns = min(max(BUDGET_NS // max(once, 1), TURNS[0]), TURNS[1])
    ours, theirs = zip(*[(_time(contest.our_call), _time(contest.their_call)) for _ in range(turns)], strict=True)
    return ours, theirs


def _time(call: Call) -> int:
    started_ns = perf_counter_ns()
    call()
    return perf_counter_ns() - started_ns


def _row(contest: Contest, shape: tuple[int, int], copying: Times) -> KernelRow:
    our_turns, their_turns = take_turns(contest)
    ours, theirs, copy = middle(our_turns), middle(their_turns), middle(copying)
    reached = contest.traffic / ours  # bytes a nanosecond are gigabytes a second
    of_copy = reached / (6 * shape[0] * shape[1] / copy)
    best_ratio, best_copies = min(their_turns) / min(our_turns), min(our_turns) / min(copying)
    figures = (ours / 1e6, theirs / 1e6, theirs / ours, reached, of_copy, ours / copy, best_ratio, best_copies)
    return KernelRow(contest.kernel, *shape, contest.theirs, *figures)


def contests(shape: tuple[int, int]) -> Iterator[Contest]:
    """Everybody's calls for a picture of (H, W)."""
    grey = cases.speckle(shape)
    rgb = cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB)
    labels = _labels(shape)
    yield from _around_the_network(grey, np.asarray(rgb), labels)
    yield from _against_opencv(grey)
    if grey.size <= LARGEST_IN_NUMPY:
        yield from _against_numpy(grey)
    yield from _on_labels(labels)


def _labels(shape: tuple[int, int]) -> Labels:
    """Two organs, one inside the other, about an eighth of the picture."""
    axes = (shape[1] // 5, shape[0] // 5)
    organ = cv2.ellipse(np.zeros(shape, np.uint8), (shape[1] // 2, shape[0] // 2), axes, 0, 0, 360, 1, -1)
    inner = (axes[0] // 2, axes[1] // 2)
    return np.asarray(cv2.ellipse(organ, (shape[1] // 2, shape[0] // 2), inner, 0, 0, 360, 2, -1), np.uint8)


def _around_the_network(grey: Image, rgb: Image, labels: Labels) -> Iterator[Contest]:
    shape = (grey.shape[0], grey.shape[1])
    fit = kernels.letterbox((0, 0, *shape), NETWORK)
    x, overlay, mask = np.empty((1, 1, *NETWORK), np.float32), np.empty_like(rgb), np.empty_like(labels)
    for name, image in [("fit_input (RGB)", rgb), ("fit_input (grey)", grey)]:
        ours = partial(kernels.fit_input, image, fit, (MEAN,), (STD,), out=x)
        chain = "OpenCV: cvtColor, resize, border, normalise"
        yield Contest(name, chain, ours, partial(_fit_with_opencv, image, fit), image.nbytes + x.nbytes)
    logits = _logits(labels, fit)
    yield Contest(
        "argmax_labels",
        "OpenCV resize of each class, NumPy argmax",
        lambda: kernels.argmax_labels(logits, fit, shape, out=mask),
        lambda: _labels_with_opencv(logits, fit, shape),
        logits.nbytes + mask.nbytes,
    )
    yield Contest(
        "blend",
        "OpenCV: addWeighted, copyTo, contours",
        lambda: kernels.blend(rgb, labels, PALETTE, 0.4, out=overlay),
        lambda: _blend_with_opencv(rgb, labels),
        2 * rgb.nbytes + labels.nbytes,
    )


def _logits(labels: Labels, fit: kernels.Fit) -> npt.NDArray[np.float32]:
    """Logits (1, 3, h, w) as a sure network would give them for these labels."""
    top, left, height, width = fit.inner
    inner = cv2.resize(labels, (width, height), interpolation=cv2.INTER_NEAREST)
    small = np.pad(inner, [(top, fit.size[0] - top - height), (left, fit.size[1] - left - width)])
    noise = np.random.default_rng(0).normal(0, 0.3, (1, 3, *fit.size))
    logits: npt.NDArray[np.float32] = (noise + 4.0 * np.equal(small, np.arange(3)[:, None, None])).astype(np.float32)
    return logits


def _fit_with_opencv(image: Image, fit: kernels.Fit) -> npt.NDArray[np.float32]:
    top, left, height, width = fit.inner
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) if image.ndim == 3 else image
    small = cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA)
    below, right = fit.size[0] - top - height, fit.size[1] - left - width
    full = np.asarray(cv2.copyMakeBorder(small, top, below, left, right, cv2.BORDER_CONSTANT))
    values = full.astype(np.float32)
    values -= MEAN
    values /= STD
    return values[None, None]


def _labels_with_opencv(logits: npt.NDArray[np.float32], fit: kernels.Fit, shape: tuple[int, int]) -> Labels:
    top, left, height, width = fit.inner
    inside = logits[0, :, top : top + height, left : left + width]
    labels: Labels = np.stack([cv2.resize(plane, shape[::-1]) for plane in inside]).argmax(0).astype(np.uint8)
    return labels


def _blend_with_opencv(rgb: Image, labels: Labels) -> Image:
    colours = np.zeros_like(rgb)
    for label, colour in enumerate(PALETTE, 1):
        cv2.copyTo(np.full_like(rgb, colour), np.equal(labels, label).view(np.uint8), colours)
    mixed = cv2.addWeighted(rgb, 0.6, colours, 0.4, 0)
    overlay = cv2.copyTo(mixed, labels, rgb.copy())
    for label, colour in enumerate(PALETTE.tolist(), 1):
        outlines, _ = cv2.findContours(np.equal(labels, label).view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(overlay, outlines, -1, colour, 2)
    return np.asarray(overlay)


def _against_opencv(grey: Image) -> Iterator[Contest]:
    out, traffic = np.empty_like(grey), 2 * grey.nbytes
    square, equalise = np.ones((5, 5), np.uint8), cv2.createCLAHE(2.0, (8, 8))
    pairs: list[tuple[str, str, Call, Call]] = [
        (f"median {size}", "OpenCV", partial(kernels.median, grey, size, out=out), partial(cv2.medianBlur, grey, size))
        for size in (3, 5, 7)
    ]
    pairs += [
        (f"bilateral {n}", "OpenCV", partial(kernels.bilateral, grey, n, out=out), partial(cv2.bilateralFilter, grey, n, 30, 2))
        for n in (5, 9)
    ]
    pairs += [
        ("lee 7", "OpenCV box filters", partial(kernels.lee, grey, 7, out=out), partial(_lee_with_opencv, grey)),
        ("clahe", "OpenCV", partial(kernels.clahe, grey, out=out), partial(equalise.apply, grey)),
        (
            "opening",
            "OpenCV",
            partial(kernels.opening, grey, 2, out=out),
            partial(cv2.morphologyEx, grey, cv2.MORPH_OPEN, square),
        ),
        (
            "non_local_means",
            "OpenCV, the same blocks and search",
            partial(kernels.non_local_means, grey, out=out),
            partial(cv2.fastNlMeansDenoising, grey, None, 10, 5, 11),
        ),
    ]
    for name, theirs, our_call, their_call in pairs:
        yield Contest(name, theirs, our_call, their_call, traffic)


def _lee_with_opencv(grey: Image, size: int = 7, noise: float = 0.15) -> Image:
    levels = grey.astype(np.float32)
    mean = cv2.boxFilter(levels, -1, (size, size), borderType=cv2.BORDER_REPLICATE)
    variance = cv2.sqrBoxFilter(levels, -1, (size, size), borderType=cv2.BORDER_REPLICATE) - mean * mean
    share = np.clip(1 - (noise * mean) ** 2 / np.maximum(variance, 1e-6), 0, 1)
    filtered: Image = np.rint(mean + share * (levels - mean)).astype(np.uint8)
    return filtered


def _against_numpy(grey: Image) -> Iterator[Contest]:
    """Filters that OpenCV does not have: beside their definition in NumPy."""
    out = np.empty_like(grey)
    for made in (kernels.kuan, kernels.frost, kernels.srad, kernels.perona_malik):
        yield Contest(made.name, "NumPy", partial(made, grey, out=out), partial(made.truth, grey), 2 * grey.nbytes)


def _on_labels(labels: Labels) -> Iterator[Contest]:
    out = np.empty_like(labels)
    yield Contest(
        "keep_largest",
        "OpenCV connectedComponentsWithStats",
        lambda: kernels.keep_largest(labels, (1, 2), out=out),
        lambda: _largest_with_opencv(labels),
        2 * labels.nbytes,
    )


def _largest_with_opencv(labels: Labels) -> Labels:
    result = labels.copy()
    for label in (1, 2):
        mask = np.equal(labels, label).view(np.uint8)
        _, regions, stats, _ = cv2.connectedComponentsWithStats(mask)
        result[(mask > 0) & (regions != 1 + stats[1:, cv2.CC_STAT_AREA].argmax())] = 0
    return result

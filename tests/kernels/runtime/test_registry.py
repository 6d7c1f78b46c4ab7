"""Tests the dispatch to backends, and the checks that all backends share."""

import numpy as np
import pytest

from rtseg.errors import ConfigError, EngineError, ImageError
from rtseg.kernels import (
    Fit,
    argmax_labels,
    blend,
    class_confidence,
    fit_input,
    inner_contour,
    letterbox,
    smooth,
    warm_up,
)
from rtseg.kernels.network.fit import Box
from rtseg.kernels.runtime.registry import KERNELS, backend_of

GREY = np.zeros((4, 6), np.uint8)
RGB = np.zeros((4, 6, 3), np.uint8)
FIT = letterbox((0, 0, 4, 6), (8, 8))
PALETTE = np.full((2, 3), 200, np.uint8)
LOGITS = np.zeros((1, 2, 8, 8), np.float32)


class FakeDeviceArray:
    """Has only the attributes of a device array that dispatch and the checks may read."""

    __cuda_array_interface__ = {"version": 3}  # noqa: RUF012

    def __init__(self, array: np.ndarray) -> None:
        self.shape, self.dtype = array.shape, array.dtype


def test_dispatch_follows_where_the_array_lives() -> None:
    assert backend_of(GREY) == "numba"
    assert backend_of(FakeDeviceArray(GREY)) == "cuda"
    with pytest.raises(ImageError, match="convert it with numpy"):
        backend_of([[1]])


def test_a_device_array_goes_to_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(inner_contour.backends, "cuda", raising=False)
    with pytest.raises(EngineError, match="no CUDA backend in this build"):
        inner_contour(FakeDeviceArray(GREY), 1)
    monkeypatch.setitem(inner_contour.backends, "cuda", lambda labels, width, *, out=None: "on the GPU")
    assert inner_contour(FakeDeviceArray(GREY), 1) == "on the GPU"
    with pytest.raises(ImageError, match="a label map is"):
        inner_contour(FakeDeviceArray(RGB), 1)


def test_the_first_argument_may_be_named() -> None:
    assert inner_contour(labels=GREY, width=1).shape == GREY.shape
    with pytest.raises(TypeError, match="labels"):
        inner_contour()


def test_a_kernel_keeps_the_name_and_the_words_of_its_truth() -> None:
    assert fit_input.__name__ == "fit_input"
    assert all(made.__doc__ for made in KERNELS.values())
    assert KERNELS["blend"] is blend


@pytest.mark.parametrize("name", ["carried", "smoothed", "steadied"])
def test_a_report_key_stays_when_its_function_is_renamed(name: str) -> None:
    assert KERNELS[name].name == name


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (np.zeros((4, 6), np.float32), "is a uint8 array, not float32: convert"),
        (np.zeros((0, 6), np.uint8), "not empty"),
        (np.zeros((4, 6, 4), np.uint8), r"\(H, W, 3\)"),
        (np.zeros(4, np.uint8), r"\(H, W\)"),
        ("scan.png", "not str"),
        (None, "not NoneType"),
    ],
)
def test_what_is_no_image_is_refused(image: object, words: str) -> None:
    with pytest.raises(ImageError, match=words):
        fit_input(image, FIT, (0.0,), (1.0,))
    with pytest.raises(ImageError, match=words):
        blend(image, GREY, PALETTE, 0.5)


@pytest.mark.parametrize("box", [(0, 0, 5, 6), (0, 1, 4, 6)])
def test_a_crop_outside_the_frame_is_refused(box: Box) -> None:
    fit = Fit(box, (8, 8), (0, 0, 8, 8))
    with pytest.raises(ImageError, match="left, height, width"):
        fit_input(GREY, fit, (0.0,), (1.0,))
    with pytest.raises(ImageError, match="left, height, width"):
        argmax_labels(LOGITS, fit, (4, 6))


@pytest.mark.parametrize(
    ("box", "inner"),
    [
        ((-1, 0, 4, 6), (0, 0, 8, 8)),
        ((0, 0, 0, 6), (0, 0, 8, 8)),
        ((0, 0, 4, 6), (1, 0, 8, 8)),
        ((0, 0, 4, 6), (0, 0, 8, 0)),
        ((0, 0, 4, 6), (0, -1, 8, 8)),
        ((0, 0, 4.0, 6), (0, 0, 8, 8)),
        ((0, 0, 4), (0, 0, 8, 8)),
    ],
)
def test_a_fit_of_impossible_boxes_is_refused(box: Box, inner: Box) -> None:
    with pytest.raises(ImageError, match="left, height, width"):
        Fit(box, (8, 8), inner)


@pytest.mark.parametrize(
    ("mean", "std"),
    [
        ((), ()),
        ((0.0, 0.0), (1.0, 1.0)),
        ((0.0,), (0.0,)),
        ((float("nan"),), (1.0,)),
        ((0.0,), (float("inf"),)),
        ((0.0,), (1.0, 1.0, 1.0)),
    ],
)
def test_wrong_normalisation_is_refused(mean: tuple[float, ...], std: tuple[float, ...]) -> None:
    with pytest.raises(ConfigError, match="one positive std and one mean"):
        fit_input(GREY, FIT, mean, std)


@pytest.mark.parametrize(
    ("out", "words"),
    [
        (np.zeros((4, 6), np.uint8), "allocate it with that shape"),
        (np.zeros((4, 6, 3), np.int8), "out is a uint8 array"),
        (np.zeros((4, 3, 6), np.uint8).transpose(0, 2, 1), "allocate it with numpy.empty"),
        (np.frombuffer(bytes(72), np.uint8).reshape(4, 6, 3), "can be written to"),
    ],
)
def test_an_out_that_cannot_take_the_result_is_refused(out: np.ndarray, words: str) -> None:
    with pytest.raises(ImageError, match=words):
        blend(RGB, GREY, PALETTE, 0.5, out=out)


@pytest.mark.parametrize("threshold", [0.0, 1.0, -1.0, float("nan")])
def test_a_threshold_is_a_probability(threshold: float) -> None:
    with pytest.raises(ConfigError, match="probability between 0 and 1"):
        argmax_labels(LOGITS, FIT, (4, 6), threshold=threshold)
    with pytest.raises(ConfigError, match="probability between 0 and 1"):
        class_confidence(LOGITS, FIT, threshold=threshold)


@pytest.mark.parametrize("logits", [LOGITS[0], LOGITS.astype(np.float64), LOGITS[:, :0], np.zeros((1, 256, 2, 2), np.float32)])
def test_what_are_no_logits_is_refused(logits: np.ndarray) -> None:
    with pytest.raises(ImageError, match="logits"):
        argmax_labels(logits, FIT, (4, 6))


def test_smooth_refuses_what_does_not_fit_together() -> None:
    with pytest.raises(ImageError, match="start from the current one"):
        smooth(LOGITS, LOGITS[:, :1], 0.5)
    with pytest.raises(ImageError, match="current is float32"):
        smooth(LOGITS.astype(np.float64), LOGITS, 0.5)
    with pytest.raises(ConfigError, match="from 0 to 1"):
        smooth(LOGITS, LOGITS, 1.5)


def test_blend_refuses_what_does_not_fit_together() -> None:
    with pytest.raises(ImageError, match="give both the same size"):
        blend(RGB, GREY[:2], PALETTE, 0.5)
    with pytest.raises(ImageError, match="one colour a row"):
        blend(RGB, GREY, PALETTE[:, :2].copy(), 0.5)
    with pytest.raises(ConfigError, match="opacity is 2"):
        blend(RGB, GREY, PALETTE, 2)
    with pytest.raises(ConfigError, match="contour's width is -1"):
        blend(RGB, GREY, PALETTE, 0.5, -1)


def test_read_only_and_strided_images_are_taken() -> None:
    image = np.arange(72, dtype=np.uint8).reshape(4, 6, 3)
    image.flags.writeable = False
    for view in (image, image[::-1], image[:, :, ::-1]):
        assert np.array_equal(blend(view, GREY, PALETTE, 0.5), view)


def test_warm_up_compiles_what_a_session_calls() -> None:
    warm_up()

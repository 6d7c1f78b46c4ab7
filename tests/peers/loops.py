"""Implement the baselines as a plain loop: OpenCV reads and resizes, interchangeable functions infer and draw.

The loop is the same for each baseline, and is favored: it makes no unneeded copies, and decodes in OpenCV's own threads.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

from rtseg.engines.base import ModelSpec
from rtseg.system.machine import available_cores

Infer = Callable[[np.ndarray], np.ndarray]  # (1, 1, H, W) float32 -> the mask (H, W) uint8, 0 or 1
Draw = Callable[[np.ndarray, np.ndarray], np.ndarray]  # the BGR frame and its mask -> the drawing
COLOUR, OPACITY = (0, 159, 230), 0.4


def loop(clip: str, spec: ModelSpec, infer: Infer, draw: Draw) -> Callable[[int], Iterator[np.ndarray]]:
    """Return a pipeline that draws one frame after another, and repeats the clip until there are enough frames."""

    def line(frames: int) -> Iterator[np.ndarray]:
        capture = cv2.VideoCapture(clip)
        for _ in range(frames):
            there, frame = capture.read()
            if not there:
                capture.release()
                capture = cv2.VideoCapture(clip)
                _, frame = capture.read()
            yield draw(frame, infer(fitted(frame, spec)))
        capture.release()

    return line


def fitted(frame: np.ndarray, spec: ModelSpec) -> np.ndarray:
    """Convert a frame to gray, resize and normalize it to (1, 1, H, W) float32."""
    grey = cv2.resize(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY), spec.size[::-1], interpolation=cv2.INTER_AREA)
    return ((grey.astype(np.float32) - spec.mean[0]) / spec.std[0])[None, None]


def onnx_runtime(folder: Path, spec: ModelSpec) -> Infer:
    """Return inference by ONNX Runtime with its default options."""
    import onnxruntime

    session = onnxruntime.InferenceSession(folder / "unet16.onnx", providers=["CPUExecutionProvider"])
    return lambda x: (session.run([spec.logits_output], {spec.image_input: x})[0][0, 0] > 0).view(np.uint8)


def fast_openvino(folder: Path, spec: ModelSpec) -> Infer:
    """Return inference by FAST on OpenVINO, which chooses bfloat16 on processors that have it."""
    return _fast(folder, "OpenVINO")


def fast_onnx_runtime(folder: Path, spec: ModelSpec) -> Infer:
    """Return inference by FAST on ONNX Runtime, in float32."""
    return _fast(folder, "ONNXRuntime")


def _fast(folder: Path, engine: str) -> Infer:
    """Return inference by FAST on a prepared tensor; its own preparation needs OpenCL, which is slow on a CPU (pocl)."""
    import fast

    fast.Reporter.setGlobalReportMethod(fast.Reporter.NONE)
    network = fast.SegmentationNetwork.create(str(folder / "unet16.onnx"), threshold=0.0, inferenceEngine=engine)

    def infer(x: np.ndarray) -> np.ndarray:
        network.setInputData(0, fast.Tensor.createFromArray(x))
        return np.asarray(network.runAndGetOutputData())[..., 0]

    return infer


def torch_eager(folder: Path, spec: ModelSpec) -> Infer:
    """Return inference by eager torch, in inference mode, on all cores."""
    import torch

    torch.set_num_threads(available_cores())
    network = torch.jit.load(folder / "unet16.pt").eval()

    def infer(x: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return (network(torch.from_numpy(x))[0][0, 0] > 0).numpy().view(np.uint8)

    return infer


def draw_with_opencv() -> Draw:
    """Return a function that draws a translucent fill and a border with OpenCV."""

    def draw(frame: np.ndarray, mask: np.ndarray) -> np.ndarray:
        large = cv2.resize(mask, (frame.shape[1], frame.shape[0]), interpolation=cv2.INTER_NEAREST)
        fill = frame.copy()
        fill[large > 0] = COLOUR
        picture = cv2.addWeighted(fill, OPACITY, frame, 1 - OPACITY, 0)
        outlines, _ = cv2.findContours(large, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        return cv2.drawContours(picture, outlines, -1, COLOUR, 2)

    return draw


def draw_with_supervision() -> Draw:
    """Return a function that draws with supervision's MaskAnnotator and PolygonAnnotator, into the frame itself."""
    import supervision as sv

    colours = sv.ColorPalette([sv.Color(*COLOUR[::-1])])
    fill = sv.MaskAnnotator(color=colours, opacity=OPACITY, color_lookup=sv.ColorLookup.CLASS)
    border = sv.PolygonAnnotator(color=colours, thickness=2, color_lookup=sv.ColorLookup.CLASS)

    def draw(frame: np.ndarray, mask: np.ndarray) -> np.ndarray:
        large = cv2.resize(mask, (frame.shape[1], frame.shape[0]), interpolation=cv2.INTER_NEAREST).view(bool)[None]
        if not large.any():
            return frame
        found = sv.Detections(sv.mask_to_xyxy(large), mask=large, class_id=np.zeros(1, int))
        return border.annotate(fill.annotate(frame, found), found)

    return draw

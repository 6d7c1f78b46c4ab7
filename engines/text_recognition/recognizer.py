"""Read short lines of Latin text with PP-OCR's recognition network, run by OpenVINO.

The network gives each column of a line the probability of each character, or of none: "connectionist temporal classification"
(A. Graves et al., ICML 2006). Its file is PP-OCRv4's, reduced to the printable characters of ASCII, see NOTICE.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from rtseg.engines.openvino import compile_network, read_network
from rtseg.errors import EngineError
from rtseg.frame import Image

MODEL = Path(__file__).with_name("PP-OCRv4_rec_ascii.onnx")

# The order of the network's answers, after the first, which is "no character".
CHARACTERS = r"""'208-7>:],13!|;H./*54(6)su[9SYFDAPT@%"r=q?Jl&xzetb<Lwih+IBN^_M}~ZCoEf\UapyngQOk$cvWRGdKXm`V#{j """

_HEIGHT = 48  # pixels of a line in the network's input
_MIN_WIDTH, _MAX_WIDTH, _WIDTH_STEP = 48, 960, 48  # pixels; few widths, since the network is compiled for each


@dataclass(frozen=True, slots=True)
class ReadText:
    """Holds a text that was read."""

    text: str
    """The characters."""
    confidence: float
    """Probability of the least probable character; 0 where none was read."""


class TextRecognizer:
    """Reads lines of text. threads: of OpenVINO; 0 lets it choose. Raises ModelError, EngineError."""

    def __init__(self, threads: int = 0) -> None:
        self._network, self._threads = read_network(MODEL), threads
        self._requests: dict[int, Any] = {}

    def read(self, line: Image) -> ReadText:
        """Read one upright line of text that fills a picture (H, W) or (H, W, 3) but for a margin. Raises EngineError."""
        color = np.asarray(cv2.cvtColor(line, cv2.COLOR_GRAY2RGB) if line.ndim == 2 else line, np.uint8)
        width = min(max(1, round(color.shape[1] * _HEIGHT / color.shape[0])), _MAX_WIDTH)
        scaled = cv2.resize(color, (width, _HEIGHT), interpolation=cv2.INTER_CUBIC)
        padded = max(_MIN_WIDTH, -(-width // _WIDTH_STEP) * _WIDTH_STEP)
        canvas = np.full((_HEIGHT, padded, 3), 127, np.uint8)  # 0 to the network
        canvas[:, :width] = scaled
        # Scaled to -1..1 as in its training; the order of its channels is BGR.
        x = cv2.dnn.blobFromImage(canvas, 1 / 127.5, mean=(127.5, 127.5, 127.5), swapRB=True)
        request = self._request(padded)
        try:
            request.infer({0: x})
        except RuntimeError as error:
            raise EngineError(f"the text recognizer failed ({error}): the screen cannot be read") from error
        return _decode(np.array(request.get_output_tensor(0).data[0], np.float32))

    def _request(self, width: int) -> Any:
        if width not in self._requests:
            network = self._network.clone()
            network.reshape([1, 3, _HEIGHT, width])
            self._requests[width] = compile_network(network, MODEL, self._threads).create_infer_request()
        return self._requests[width]


def _decode(probability: "np.ndarray[tuple[int, ...], np.dtype[np.float32]]") -> ReadText:
    """Return the most probable text of (columns, characters): repeated characters are one, unless none is between them."""
    best, before, text, confidence = probability.argmax(1), 0, "", 1.0
    for column, character in enumerate(best):
        if character and character != before:
            text += CHARACTERS[character - 1]
            confidence = min(confidence, float(probability[column, character]))
        before = character
    return ReadText(text, confidence if text else 0.0)

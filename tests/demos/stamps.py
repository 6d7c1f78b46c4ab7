"""Write the time of capture as a stamp into an image's pixels, and read it in a browser and in a screenshot."""

import time

import cv2
import numpy as np

from rtseg.frame import Image
from rtseg.overlay import Overlay
from rtseg.result import Result

BITS, SIDE = 20, 16
ROUND_MS = 1 << BITS
STAMP = """
globalThis.stampIn = (context, bits, side) => {
  const pixels = context.getImageData(0, side / 2, bits * side, 1).data;
  let stamp = 0;
  for (let i = 0; i < bits; i += 1) stamp = stamp * 2 + (pixels[4 * (i * side + side / 2)] > 127 ? 1 : 0);
  return stamp;
};
"""
PROBE = f"""{STAMP}
{{
  const bits = {BITS}, side = {SIDE}, small = new OffscreenCanvas(bits * side, side);
  const context = small.getContext("2d", {{ willReadFrequently: true }}), told = new BroadcastChannel("shown");
  const before = OffscreenCanvasRenderingContext2D.prototype.drawImage;
  OffscreenCanvasRenderingContext2D.prototype.drawImage = function (picture, ...where) {{
    before.call(this, picture, ...where);
    const scale = picture.width / SOURCE_WIDTH;
    before.call(context, picture, 0, 0, small.width * scale, side * scale, 0, 0, small.width, side);
    const stamp = stampIn(context, bits, side);
    requestAnimationFrame(() => told.postMessage([stamp, performance.timeOrigin + performance.now()]));
  }};
}}
"""
SHOWN = """
(selector) => {
  const shown = document.querySelector(selector);
  return shown && (shown.naturalWidth || shown.style.width);
}
"""
LISTEN = """
(lasts) => new Promise((done) => {
  const seen = [], told = new BroadcastChannel("shown");
  told.onmessage = ({ data }) => seen.push(data);
  setTimeout(() => { told.close(); done(seen); }, lasts);
})
"""
READ = """
([bits, side, lasts]) => new Promise((done) => {
  const video = document.querySelector(".picture img"), canvas = document.createElement("canvas");
  const context = canvas.getContext("2d", { willReadFrequently: true });
  canvas.width = bits * side; canvas.height = side;
  const seen = [], started = performance.now();
  function look() {
    const now = performance.timeOrigin + performance.now();
    if (video.naturalWidth) {
      context.drawImage(video, 0, 0, canvas.width, side, 0, 0, canvas.width, side);
      const stamp = stampIn(context, bits, side);
      if (!seen.length || seen[seen.length - 1][0] !== stamp) seen.push([stamp, now]);
    }
    if (performance.now() - started < lasts) requestAnimationFrame(look); else done(seen);
  }
  look();
})
"""


class StampPainter:
    """Draws an overlay, and writes the time of capture into the top left corner."""

    def __init__(self) -> None:
        self._overlay = Overlay(legend=False, notice=False)

    def draw(self, result: Result, out: Image | None = None) -> Image:
        picture = self._overlay.draw(result, out)
        captured_ms = (time.time_ns() - (time.perf_counter_ns() - result.frame.captured_ns)) // 1_000_000 % ROUND_MS
        bits = [captured_ms >> (BITS - 1 - i) & 1 for i in range(BITS)]
        picture[:SIDE, : BITS * SIDE] = np.repeat(np.array(bits, np.uint8) * 255, SIDE)[None, :, None]
        return picture


def stamp_in(screenshot: bytes, box: dict[str, float], shape: float) -> int:
    """Read the stamp in a page's screenshot, in which an image of 720 rows and aspect ratio `shape` fills the box."""
    shot = cv2.imdecode(np.frombuffer(screenshot, np.uint8), cv2.IMREAD_GRAYSCALE)
    height = min(box["height"], box["width"] / shape)
    left, top = box["x"] + (box["width"] - height * shape) / 2, box["y"] + (box["height"] - height) / 2
    side = SIDE * height / 720
    bits = [int(shot[round(top + side / 2), round(left + (i + 0.5) * side)] > 127) for i in range(BITS)]
    return int("".join(map(str, bits)), 2)

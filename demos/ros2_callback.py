"""Segment pictures that arrive in the callbacks of ROS 2: here from a thread that stands in for a node.

With ROS 2 itself, `Segmenter.on_image` is the callback of a subscription to sensor_msgs/msg/Image, and the clock is the node's:

    segmenter = Segmenter(480, 640, clock=lambda: node.get_clock().now().nanoseconds)
    node.create_subscription(Image, "/us/image_raw", segmenter.on_image, 1)
    threading.Thread(target=rclpy.spin, args=(node,), daemon=True).start()
"""

import threading
import time
from collections.abc import Callable, Iterator
from itertools import islice
from types import SimpleNamespace as Message
from typing import Any

import numpy as np
import numpy.typing as npt

import rtseg

CHANNELS = {"mono8": 1, "rgb8": 3, "bgr8": 3}
FPS, RESULTS = 25.0, 20


class Segmenter:
    """Pushes the messages of a topic into a stream. clock: the one of the messages' stamps, in nanoseconds."""

    def __init__(self, height: int, width: int, clock: Callable[[], int] = time.time_ns) -> None:
        self.source = rtseg.PushSource(height, width, FPS, clock=clock)

    def on_image(self, message: Any) -> None:
        """Push the picture of a sensor_msgs/msg/Image; it returns at once."""
        stamp = message.header.stamp
        self.source.push(to_image(message), stamp.sec * 1_000_000_000 + stamp.nanosec)

    def results(self, model: str) -> Iterator[rtseg.Result]:
        """Yield the result of each picture that was not replaced by a newer one meanwhile."""
        engine = rtseg.load_engine(model)
        try:
            yield from rtseg.Pipeline(self.source, rtseg.Session(engine))
        finally:
            engine.close()


def to_image(message: Any) -> npt.NDArray[np.uint8]:
    """Return the pixels of a sensor_msgs/msg/Image; its rows may be padded."""
    channels = CHANNELS[message.encoding]
    rows = np.frombuffer(message.data, np.uint8).reshape(message.height, message.step)[:, : message.width * channels]
    if channels == 1:
        return rows
    image = rows.reshape(message.height, message.width, channels)
    return image[..., ::-1] if message.encoding == "bgr8" else image


def publish(on_image: Callable[[Any], None], stop: threading.Event) -> None:
    """Stand in for a driver until it is stopped: call back with a moving phantom, stamped by the wall clock."""
    for frame in rtseg.open_source("synthetic:vessel?height=240&width=320"):
        sec, nanosec = divmod(time.time_ns(), 1_000_000_000)
        height, width = frame.image.shape[:2]
        encoding, step = ("mono8", width) if frame.image.ndim == 2 else ("rgb8", 3 * width)
        header = Message(stamp=Message(sec=sec, nanosec=nanosec), frame_id="probe")
        data = frame.image.tobytes()
        on_image(Message(header=header, height=height, width=width, encoding=encoding, step=step, data=data))
        if stop.wait(1 / FPS):
            return


def main() -> None:
    """Segment what the stand-in publishes, and print a line for each of the first results."""
    segmenter, stop = Segmenter(240, 320), threading.Event()
    node = threading.Thread(target=publish, args=(segmenter.on_image, stop), name="node")
    node.start()
    try:
        for result in islice(segmenter.results("carotid-int8"), RESULTS):
            print(f"frame {result.frame.index}: {result.segmentation.area_px('lumen')} pixels, {result.trace}")
    finally:
        stop.set()
        node.join()


if __name__ == "__main__":
    main()

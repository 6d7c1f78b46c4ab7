"""Test the example that imitates a callback of ROS 2."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from demos import ros2_callback

ROOT = Path(__file__).parents[2]


def test_it_runs():
    done = subprocess.run(
        [sys.executable, ROOT / "demos" / "ros2_callback.py"], capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == ros2_callback.RESULTS
    assert done.stdout.startswith("frame ")


def test_padded_rows_and_other_orders_of_color_are_read():
    image = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    padded = np.zeros((2, 12), np.uint8)
    padded[:, :9] = image.reshape(2, 9)
    message = SimpleNamespace(height=2, width=3, step=12, encoding="bgr8", data=padded.tobytes())
    assert np.array_equal(ros2_callback.to_image(message), image[..., ::-1])
    grey = SimpleNamespace(height=2, width=3, step=12, encoding="mono8", data=padded.tobytes())
    assert np.array_equal(ros2_callback.to_image(grey), padded[:, :3])

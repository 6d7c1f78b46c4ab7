"""Draw letters on pictures, and search for them in ways that a test controls."""

import threading

import cv2
import numpy as np

FONT = cv2.FONT_HERSHEY_SIMPLEX


def write(picture, text, place, color=230, size=0.5, thickness=1):
    """Return a copy of a picture with a text, its first letter's foot at (x, y); and the pixels of its letters."""
    drawn, ink = picture.copy(), np.zeros(picture.shape[:2], np.uint8)
    cv2.putText(drawn, text, place, FONT, size, color, thickness, cv2.LINE_AA)
    cv2.putText(ink, text, place, FONT, size, 255, thickness)
    return drawn, ink > 0


class BoxSearch:
    """Finds letters in one box only: top, left, height, width; None: nowhere."""

    def __init__(self, box=None):
        self.box, self.searches, self.seen = box, 0, []

    def find(self, pictures, extent):
        self.searches += 1
        self.seen.append((len(pictures), extent))
        letters = np.zeros(pictures[-1].shape[:2], np.uint8)
        if self.box:
            top, left, height, width = self.box
            letters[top : top + height, left : left + width] = 255
        return letters


class BrokenSearch:
    """Fails as a detector does whose model is missing."""

    def find(self, pictures, extent):
        raise RuntimeError("no detector")


class HeldSearch(BoxSearch):
    """Ends a search when the test says so."""

    def __init__(self, box=None):
        super().__init__(box)
        self.go = threading.Semaphore(0)

    def find(self, pictures, extent):
        assert self.go.acquire(timeout=60)
        return super().find(pictures, extent)

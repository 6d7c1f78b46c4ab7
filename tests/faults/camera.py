"""Simulates a camera that encodes numbered pictures at a fixed rate and passes each to its subscribers."""

import queue
import threading
import time
from fractions import Fraction

import av
import cv2
import numpy as np
from faults.pictures import picture

GREY, COLOUR = "yuv420p", "yuv444p"  # pixel formats by FFmpeg's names
ZERO_LATENCY = {"preset": "ultrafast", "tune": "zerolatency", "x264-params": "repeat-headers=1:scenecut=0"}


class Camera:
    """Encodes `picture(i)` at `fps` until closed: H.264 in Annex B ("h264"), VP8 ("vp8"), JPEG ("jpeg"), or unencoded ("raw").

    sent_ns: the time at which each of the newest 1000 pictures was passed to the encoder, by number. size, form, stamp: read
    for each picture, so that a test can change them in mid-stream; form: the pixel format, GREY or COLOUR; stamp(i): the
    timestamp in seconds.
    """

    def __init__(self, kind="h264", *, fps=30, size=(144, 256), gop=15):
        self.kind, self.fps, self.size, self.gop = kind, fps, size, gop
        self.form = GREY
        self.stamp = lambda number: number / self.fps
        self.sent_ns = {}
        self.number = self.bytes = 0
        self._subscribers, self._lock = [], threading.Lock()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="test-camera", daemon=True)
        self._thread.start()

    def subscribe(self):
        """Return a bounded queue of (number, coded, is_key); a full queue drops the newest picture."""
        coded = queue.Queue(300)
        with self._lock:
            self._subscribers.append(coded)
        return coded

    def unsubscribe(self, coded):
        with self._lock:
            self._subscribers.remove(coded)

    def close(self):
        self._closed.set()
        self._thread.join(30)

    def _run(self):
        coder, started = None, time.perf_counter()
        while not self._closed.wait(max(0.0, started + self.number / self.fps - time.perf_counter())):
            if coder is None or (coder.size, coder.form) != (self.size, self.form):
                coder = _CODERS[self.kind](self.size, self.fps, self.gop, form=self.form)
            number, self.number = self.number, self.number + 1
            pixels = picture(number, self.size)
            if self.form == COLOUR:
                pixels = np.stack((pixels // 2, pixels, pixels), 2)
            self.sent_ns[number] = time.perf_counter_ns()
            self.sent_ns.pop(number - 1000, None)
            for coded, is_key in coder.encode(pixels):
                self.bytes += getattr(coded, "nbytes", None) or len(coded)
                self._hand_out((number, coded, is_key))

    def _hand_out(self, item):
        with self._lock:
            for coded in self._subscribers:
                if not coded.full():
                    coded.put(item)


class H264:
    """Encodes pictures as H.264 in Annex B, or by another of FFmpeg's encoders."""

    def __init__(self, size, fps, gop, coder="libx264", options=ZERO_LATENCY, form=GREY):
        self.size, self.form = size, form
        self._context = av.CodecContext.create(coder, "w")
        self._context.height, self._context.width, self._context.pix_fmt = *size, form
        self._context.time_base, self._context.framerate, self._context.gop_size = Fraction(1, fps), Fraction(fps), gop
        self._context.options = options
        self._count = 0

    def encode(self, pixels):
        frame = av.VideoFrame.from_ndarray(pixels, "gray" if pixels.ndim == 2 else "rgb24").reformat(format=self.form)
        frame.pts, self._count = self._count, self._count + 1
        for packet in self._context.encode(frame):
            yield bytes(packet), packet.is_keyframe


def _vp8(size, fps, gop, form=GREY):
    options = {"deadline": "realtime", "lag-in-frames": "0", "cpu-used": "8", "crf": "10", "b": "2M"}
    return H264(size, fps, gop, "libvpx", options, form)


class _Jpeg:
    def __init__(self, size, fps, gop, form=GREY):
        self.size, self.form = size, form

    def encode(self, pixels):
        order = pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
        yield cv2.imencode(".jpg", order, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes(), True


class _Raw:
    def __init__(self, size, fps, gop, form=GREY):
        self.size, self.form = size, form

    def encode(self, pixels):
        yield pixels, True


_CODERS = {"h264": H264, "vp8": _vp8, "jpeg": _Jpeg, "raw": _Raw}

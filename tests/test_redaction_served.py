"""Test that what is served, and drawn for reports, holds no letter of the screen: page, OpenIGTLink, worst images."""

import threading
from contextlib import closing

import cv2
import numpy as np
import pytest
from igtl import peers
from session.redaction.lettered import write
from sinks.view.test_view import picture_of, watching

from rtseg.engines.load import load_engine
from rtseg.evaluation.dataset import open_dataset
from rtseg.evaluation.evaluate import evaluate
from rtseg.evaluation.worst_cases import LabelRecorder, contact_sheet
from rtseg.frame import Frame, Segmentation, StreamInfo
from rtseg.pipeline import Pipeline
from rtseg.session.session import Session
from rtseg.sinks.igtl.sink import IgtlSink
from rtseg.sinks.view.sink import ViewSink

SIZE = (240, 320)
DARK = 60  # gray levels of what coding leaves around a black box
MOST = 400  # frames


def screen():
    """Return a screen without ultrasound (H, W, 3), and the pixels of its letters, away from rtseg's own legend."""
    return write(np.full((*SIZE, 3), 12, np.uint8), "DOE, JANE 1970", (130, 120), (230, 230, 230), 0.6)


class Screens:
    """Plays a screen for longer than a test lasts."""

    def __init__(self):
        self.info = StreamInfo(*SIZE, 25.0)

    def __iter__(self):
        return (Frame(screen()[0], index, index) for index in range(MOST))

    def close(self):
        pass


def run_while(network, sink, mode, client):
    """Run a pipeline until a client, called in a thread after the first frame, has ended."""
    ended = threading.Event()
    with (
        closing(load_engine(str(network))) as engine,
        closing(iter(Pipeline(Screens(), Session(engine), sink, redact=mode))) as results,
    ):
        next(results)
        thread = threading.Thread(target=lambda: (client(), ended.set()))
        thread.start()
        for _ in results:
            if ended.wait(0.02):
                break
        thread.join(60)


def check(pictures, mode, count):
    _, ink = screen()
    assert len(pictures) == count
    brightest = [int(picture[ink].max()) for picture in pictures]
    assert max(brightest) < DARK if mode != "off" else min(brightest) > 150


@pytest.mark.parametrize("mode", ["auto", "strict", "off"])  # off shows that the letters would be seen
def test_the_page_shows_no_letter(tiny, mode):
    sink, seen = ViewSink(port=0), []

    def watch():
        with watching(sink.url) as answer:
            seen.extend(cv2.imdecode(np.frombuffer(picture_of(answer), np.uint8), 0) for _ in range(2))

    run_while(tiny, sink, mode, watch)
    check(seen, mode, 2)


@pytest.mark.parametrize("mode", ["auto", "strict", "off"])
def test_openigtlink_sends_no_letter(tiny, mode):
    sink, seen = IgtlSink(":0", parts=("image", "overlay")), []

    def receive():
        with peers.pyigtl_client(int(sink.address.rpartition(":")[2])) as client:
            for name in ("Image", "Overlay"):
                picture = client.wait_for_message(name, timeout=peers.PATIENCE_S).image[0]
                seen.append(picture.max(axis=-1) if picture.ndim == 3 else picture)

    run_while(tiny, sink, mode, receive)
    check(seen, mode, 2)


class Nothing:
    """Finds nothing, so that each image is among the worst."""

    classes = ("lumen",)

    def step(self, frame):
        return Segmentation(np.zeros((frame.height, frame.width), np.uint8), self.classes, (0.0,))

    def reset(self, reason):
        pass


@pytest.mark.parametrize("mode", ["auto", "strict", "off"])
def test_the_worst_images_of_a_report_hold_no_letter(tmp_path, mode):
    for kind in ("images", "masks"):
        (tmp_path / kind).mkdir()
    image, ink = screen()
    truth = cv2.rectangle(np.zeros(SIZE, np.uint8), (5, 180), (40, 220), 255, -1)
    assert cv2.imwrite(str(tmp_path / "images" / "one.png"), image)
    assert cv2.imwrite(str(tmp_path / "masks" / "one.png"), truth)
    recorder = LabelRecorder(Nothing())
    evaluation = evaluate(recorder, tmp_path, model="nothing")
    sheet = contact_sheet(evaluation, open_dataset(tmp_path), recorder, redact=mode)
    tile = cv2.resize(sheet[:, :320].max(axis=2), (320, 320))
    assert tile.shape[1] == SIZE[1]
    middle = tile[100:190, 130:]  # the tile holds the picture, and its name above or below
    assert middle.max() < DARK if mode != "off" else middle.max() > 150
    assert ink.any()

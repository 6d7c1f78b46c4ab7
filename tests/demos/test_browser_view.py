"""Use the page of `rtseg run --view` in a real Chromium, as a person would."""

import threading
from contextlib import closing, contextmanager

import cv2
import numpy as np
import pytest
import results
from waiting import WAIT_S, until

from rtseg.engines.load import load_engine
from rtseg.pipeline import Pipeline
from rtseg.session.session import Session
from rtseg.sinks.view.sink import ViewSink
from rtseg.sources.playback import LoopingSource, PacedSource


def brightness(page):
    """Return the mean gray level of a screenshot of the video."""
    coded = page.locator(".rtseg-live .picture").screenshot()
    return float(cv2.imdecode(np.frombuffer(coded, np.uint8), cv2.IMREAD_GRAYSCALE).mean())


@contextmanager
def viewed(uri):
    """Run a stream with its page, as `rtseg run --view` does, and yield the page's URL."""
    ready, told, sink = threading.Event(), [], ViewSink(port=0, on_ready=lambda url: told.append(url) or ready.set())
    with closing(load_engine("carotid-int8")) as engine:
        source = PacedSource(LoopingSource(uri, frames=100_000))
        thread = threading.Thread(target=Pipeline(source, Session(engine), sink).run)
        thread.start()
        assert ready.wait(WAIT_S)
        try:
            yield told[0]
        finally:
            source.close()
            thread.join(WAIT_S)


def test_the_light_page_shows_the_stream_and_its_figures(tab):
    with viewed("clip:carotid") as url:
        page = tab(url)
        until(lambda: brightness(page) > 4)  # the clip is a dark one
        assert "not a medical device" in page.inner_text("body")
        until(lambda: "lumen" in page.locator(".rtseg-live .panel").inner_text())
        until(lambda: len(page.evaluate("document.querySelector('.curve path')?.getAttribute('d') || ''")) > 40)
    until(lambda: "over" in page.locator(".rtseg-live .message").inner_text())


def test_a_foreign_request_would_be_noticed(browser):
    failed = []
    with closing(ViewSink(port=0)) as sink:
        sink.open(results.stream())
        page = browser.new_page()
        page.on("requestfailed", lambda request: failed.append(request.url))
        page.goto(sink.url)
        page.evaluate("new Image().src = 'http://foreign.example/x.png'")
        until(lambda: page.evaluate("1") and failed == ["http://foreign.example/x.png"])
        page.close()


@pytest.mark.parametrize("lacks", ["", "transferControlToOffscreen"], ids=["canvas", "image"])
def test_the_picture_fits_its_place_and_is_sent_no_larger(tab, lacks):
    with closing(ViewSink(port=0)) as sink:
        sink.open(results.stream())
        picture = results.result(np.full((720, 1280), 200, np.uint8))
        sink.write(picture)
        page = tab(sink.url, without=lacks)
        until(lambda: brightness(page) > 100)
        shown, place = page.locator(".picture canvas, .picture img"), page.locator(".picture").bounding_box()
        assert shown.evaluate("it => it.tagName") == ("IMG" if lacks else "CANVAS")
        width = shown.evaluate("it => it.naturalWidth ?? it.width")
        assert width == (1280 if lacks else int(place["width"]))
        page.set_viewport_size({"width": 1000, "height": 800})
        fits = "it => it.width === it.closest('.picture').clientWidth"
        until(lambda: lacks or sink.write(picture) or shown.evaluate(fits))  # the next image is encoded for the new viewport
        place, box = page.locator(".picture").bounding_box(), shown.bounding_box()
        assert box["x"] >= place["x"] - 1
        assert box["x"] + box["width"] <= place["x"] + place["width"] + 1


def test_the_picture_comes_back_with_its_stream(tab):
    with closing(ViewSink(port=0)) as sink:
        sink.open(results.stream())
        port = int(sink.url.split(":")[2].strip("/"))
        page = tab(sink.url)
        sink.close()
        until(lambda: "over" in page.locator(".message").inner_text())
        with closing(ViewSink(port=port)) as again:
            again.open(results.stream())
            again.write(results.result(np.full((48, 64), 200, np.uint8)))
            until(lambda: brightness(page) > 50)


def test_a_picture_is_shown_when_it_has_come_and_not_when_the_next_one_does(tab):
    with closing(ViewSink(port=0)) as sink:
        sink.open(results.stream())
        sink.write(results.result(np.full((48, 64), 200, np.uint8)))
        page = tab(sink.url)
        until(lambda: brightness(page) > 50)

"""The pages in a real Chromium, used as a person would."""

import shutil
import threading
from contextlib import closing, contextmanager

import cv2
import numpy as np
import pytest
import results
from waiting import WAIT_S, until

from rtseg.engines.load import load_engine
from rtseg.pipeline import Pipeline
from rtseg.session import Session
from rtseg.sinks.view import ViewSink
from rtseg.sources import open_source
from rtseg.sources.paced import Paced

playwright = pytest.importorskip("playwright.sync_api", reason="the browser tests need playwright: pip install playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here: apt-get install chromium")

WAIT_MS = WAIT_S * 1000
SMALL = "synthetic:vessel?height=240&width=320&fps=20"


@pytest.fixture(scope="module")
def camera_clip(tmp_path_factory):
    """What the browser's camera sees: the probe, as Y4M."""
    path = tmp_path_factory.mktemp("camera") / "probe.y4m"
    source = open_source("synthetic:vessel?height=240&width=320&frames=20")
    with path.open("wb") as file:
        file.write(b"YUV4MPEG2 W320 H240 F20:1 Ip A1:1 C420jpeg\n")
        for frame in source:
            file.write(b"FRAME\n" + frame.image.tobytes() + bytes([128]) * (160 * 120 * 2))
    return path


@pytest.fixture(scope="module")
def browser(camera_clip):
    arguments = [
        "--no-sandbox",
        "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",  # so that whoever else is asked is not found
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={camera_clip}",
    ]
    with playwright.sync_playwright() as play:
        launched = play.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield launched
        launched.close()


@pytest.fixture
def tab(browser):
    """Opens tabs, each in a browser profile of its own, and tells what went wrong in them."""
    contexts, problems = [], []

    def note(request, url):
        # Only what failed: of each request that is listened to, Playwright fetches the body, and 25 pictures of the camera a
        # second held up every command that came after them.
        if not request.url.startswith((url, "data:", "blob:")):
            problems.append(request.url)

    def open_tab(url, without="", **options):
        context = browser.new_context(viewport={"width": 1280, "height": 800}, **options)
        context.set_default_timeout(WAIT_MS)
        context.add_init_script(f"delete HTMLCanvasElement.prototype.{without}" if without else "")
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("requestfailed", lambda request: note(request, url))
        page.goto(url)
        return page

    yield open_tab
    for context in contexts:
        context.close()
    assert not problems


def brightness(page):
    """The mean grey of what the video's place shows."""
    coded = page.locator(".rtseg-live .picture").screenshot()
    return float(cv2.imdecode(np.frombuffer(coded, np.uint8), cv2.IMREAD_GRAYSCALE).mean())


def drawn(page):
    """The mean grey of what is drawn; a screenshot takes seconds while the page is busy with its camera."""
    return page.evaluate("""() => {
      const small = document.createElement("canvas"), context = small.getContext("2d");
      context.drawImage(document.querySelector(".picture canvas"), 0, 0, 64, 48);
      const pixels = context.getImageData(0, 0, 64, 48).data;
      return pixels.reduce((sum, value, i) => sum + (i % 4 === 0 ? value : 0), 0) / (64 * 48);
    }""")


def lives(page):
    return page.locator(".rtseg-live .life").inner_text()


@contextmanager
def viewed(uri):
    """A stream with its page, as `rtseg run --view` shows it; the page's address."""
    ready, told, sink = threading.Event(), [], ViewSink(port=0, on_ready=lambda url: told.append(url) or ready.set())
    with closing(load_engine("carotid-int8")) as engine:
        source = Paced(open_source(uri))
        thread = threading.Thread(target=Pipeline(source, Session(engine), sink).run)
        thread.start()
        assert ready.wait(WAIT_S)
        try:
            yield told[0]
        finally:
            source.close()
            thread.join(WAIT_S)


def test_the_light_page_shows_the_stream_and_its_figures(tab):
    with viewed(SMALL) as url:
        page = tab(url)
        until(lambda: brightness(page) > 15)
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
        until(lambda: lacks or sink.write(picture) or shown.evaluate(fits))  # the next picture is coded for the smaller place
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


@pytest.fixture
def demo(tab, serve):
    served = serve(most=2)

    def open_demo(**options):
        page = tab(served.url, **options)
        page.wait_for_selector(".rtseg-live .panel")
        return page

    open_demo.served = served
    return open_demo


def choose(page, title):
    page.click("#rtseg-source input")
    page.get_by_role("option", name=title, exact=True).click()


def start(page):
    page.click("#rtseg-start")
    until(lambda: lives(page) in ("NEW", "LIVE", "CUT", "GAP"))


def gone(served):
    until(lambda: len(served.visitors) == 0)


def test_live_faults_keys_and_two_visitors(demo):
    page, other = demo(), demo()
    choose(page, "synthetic probe")
    start(page)
    page.get_by_role("button", name="freeze").click()
    until(lambda: lives(page) == "FROZEN")
    assert lives(other) == "–"
    start(other)
    page.keyboard.press("Space")
    until(lambda: page.inner_text("#rtseg-pause") == "Go on")
    assert other.inner_text("#rtseg-pause") == "Pause"
    until(lambda: "paused" in page.locator(".message").inner_text())
    page.keyboard.press("Space")
    until(lambda: page.inner_text("#rtseg-pause") == "Pause")
    for key, box in (("o", "#rtseg-masks input"), ("m", "#rtseg-memory input")):
        page.keyboard.press(key)
        assert not page.is_checked(box)
    page.close()
    other.close()
    gone(demo.served)


def test_no_button_can_be_pressed_before_the_page_knows_its_visitor(tab, serve, monkeypatch):
    served, known = serve(most=2), threading.Event()
    welcome = served.visitors.welcome
    monkeypatch.setattr(served.visitors, "welcome", lambda: known.wait(WAIT_S) and welcome())
    page = tab(served.url)
    page.wait_for_selector("#rtseg-start")
    assert page.is_disabled("#rtseg-start")
    assert page.is_disabled("#rtseg-pause")
    known.set()
    start(page)
    page.close()
    gone(served)


def test_a_tab_that_is_reopened_begins_anew(demo):
    page = demo()
    start(page)
    before = set(demo.served.visitors._here)
    page.reload()
    page.wait_for_selector(".rtseg-live .panel")
    until(lambda: set(demo.served.visitors._here).isdisjoint(before))
    start(page)
    page.close()
    gone(demo.served)


def test_the_browsers_camera(demo):
    page = demo(permissions=["camera"])
    choose(page, "this browser's camera")
    start(page)
    until(lambda: drawn(page) > 15)
    page.click("#rtseg-stop")
    until(lambda: "stopped" in page.locator(".message").inner_text())
    page.close()
    gone(demo.served)


def test_a_recording_is_uploaded_segmented_and_fetched(demo, tmp_path):
    still = tmp_path / "still.png"
    still.write_bytes(cv2.imencode(".png", next(iter(open_source("clip:carotid"))).image)[1].tobytes())
    page = demo()
    page.get_by_role("tab", name="Recording").click()
    page.locator("input[type=file]").last.set_input_files(still)
    until(lambda: "still.png" in page.get_by_label("recording", exact=True).input_value())
    page.click("#rtseg-segment")
    page.wait_for_selector(".rtseg-summary")
    assert "1 frames, 0.0 s" in page.locator(".rtseg-summary").inner_text()
    with page.expect_download() as fetched:
        page.get_by_text("measurements (CSV)").click()
    assert "lumen" in fetched.value.path().read_text()
    page.close()
    gone(demo.served)

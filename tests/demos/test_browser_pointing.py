"""Point at the page of `rtseg run --view` in a real Chromium: click, shift-click, drag, undo, touch, and a frozen picture."""

from contextlib import closing, contextmanager

import pytest
import results
import trackers
from trackers import blobs
from waiting import until

from rtseg.engines.openvino import OpenVinoEngine
from rtseg.frame import Frame
from rtseg.result import Result
from rtseg.session.sector import WholeFrame
from rtseg.session.session import Session
from rtseg.sinks.view.sink import ViewSink
from rtseg.trace import LatencyTrace

BLOBS = ((12, 8), (60, 8))  # corners (left, top)
ON_LEFT, ON_RIGHT = (20, 16), (68, 16)


class Page:
    """Holds a page of a stream of two blobs in a browser, whose frames the test writes."""

    def __init__(self, tab, session, sink, **options):
        self.session, self.sink, self.index = session, sink, 0
        self.show()
        self.tab = tab(sink.url, **options)
        until(lambda: self.place.evaluate("it => it.style.left || it.naturalWidth"))

    @property
    def place(self):
        return self.tab.locator(".picture canvas, .picture img")

    def show(self, count=1, still=None):
        """Write some frames, or one again and again, and return the last segmentation."""
        for _ in range(count):
            drawn = blobs(self.index if still is None else still, *BLOBS)
            frame, trace = Frame(drawn.image, self.index, self.index * 40_000_000), LatencyTrace(self.index * 40_000_000)
            found = self.session.step(frame, trace)
            self.sink.write(Result(frame, found, trace))
            self.index += 1
        return found

    def at(self, x, y):
        """Return the client coordinates of a frame's pixel, by the letterbox of 96x64 pixels in the picture's place."""
        box = self.tab.locator(".picture").bounding_box()
        scale = min(box["width"] / 96, box["height"] / 64)
        left, top = (box["width"] - 96 * scale) / 2, (box["height"] - 64 * scale) / 2
        return box["x"] + left + (x + 0.5) * scale, box["y"] + top + (y + 0.5) * scale

    def accepted(self):
        """Wait until a prompt has come, and show frames that use it."""
        until(lambda: self.session.waiting_prompts)
        return self.show(3)

    def listed(self):
        return [text.split("\n")[0] for text in self.tab.locator(".objects li").all_inner_texts()]


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    with closing(OpenVinoEngine(trackers.tracker(tmp_path_factory.mktemp("trackers") / "track.onnx", 4))) as made:
        yield made


@pytest.fixture
def shown(tab, engine):
    @contextmanager
    def open_page(**options):
        session = Session(engine, locator=WholeFrame())
        with closing(session), closing(ViewSink(port=0)) as sink:
            sink.screen.prompts.target = session
            sink.open(results.stream(*trackers.SIZE, fps=25.0))
            yield Page(tab, session, sink, **options)

    return open_page


@pytest.mark.parametrize("lacks", ["", "transferControlToOffscreen"], ids=["canvas", "image"])
def test_click_shift_click_undo_and_forget(shown, lacks):
    with shown(without=lacks) as page:
        page.tab.mouse.click(*page.at(*ON_LEFT))
        found = page.accepted()
        assert found.mask("object")[16, 20]
        assert not found.mask("object")[16, 68]
        until(lambda: page.listed() == ["object"])

        page.tab.mouse.click(*page.at(*ON_RIGHT))  # corrects the object that was just started
        assert page.accepted().mask("object")[16, 68]
        page.tab.keyboard.down("Shift")
        page.tab.mouse.click(*page.at(*ON_RIGHT))
        page.tab.keyboard.up("Shift")
        assert not page.accepted().mask("object")[16, 68]

        page.tab.keyboard.press("u")
        assert page.accepted().mask("object")[16, 68]
        page.tab.keyboard.press("Control+z")
        found = page.accepted()
        assert found.mask("object")[16, 20]
        assert not found.mask("object")[16, 68]

        page.tab.get_by_label("forget object").click()
        page.accepted()
        until(lambda: page.listed() == [])
        assert page.session.objects == {}


def test_a_box_by_a_name_of_its_own_and_a_second_object(shown):
    with shown() as page:
        page.tab.get_by_label("new object").fill("tumor")
        page.tab.mouse.move(*page.at(59, 7))
        page.tab.mouse.down()
        page.tab.mouse.move(*page.at(70, 20), steps=3)
        assert page.tab.locator(".drag").count() == 1
        page.tab.mouse.move(*page.at(77, 25))
        page.tab.mouse.up()
        found = page.accepted()
        assert found.objects["tumor"].centroid == pytest.approx((15.5, 67.5), abs=1)
        page.tab.keyboard.press("Escape")  # chooses no object
        page.tab.mouse.click(*page.at(*ON_LEFT))
        assert page.accepted().mask("object")[16, 20]
        until(lambda: page.listed() == ["tumor", "object"])


def test_tap_and_long_press(shown):
    with shown(has_touch=True) as page:
        page.tab.touchscreen.tap(*page.at(*ON_LEFT))
        assert page.accepted().mask("object")[16, 20]
        page.tab.touchscreen.tap(*page.at(*ON_RIGHT))
        assert page.accepted().mask("object")[16, 68]
        x, y = page.at(*ON_RIGHT)
        touch = page.tab.context.new_cdp_session(page.tab)
        touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
        found = page.accepted()  # while the finger is still down
        touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        assert found.mask("object")[16, 20]
        assert not found.mask("object")[16, 68]
        assert page.session.waiting_prompts == []


def test_a_frozen_picture_is_pointed_at(shown):
    with shown() as page:
        page.show(50, still=7)
        page.tab.mouse.click(*page.at(*ON_LEFT))
        until(lambda: page.session.waiting_prompts)
        assert page.show(2, still=7).mask("object")[16, 20]


def test_a_click_beside_the_picture_is_refused_in_one_line(shown):
    with shown() as page:
        box = page.tab.locator(".picture").bounding_box()
        page.tab.set_viewport_size({"width": 1280, "height": 300})  # the picture leaves bars on the left and the right
        until(lambda: page.tab.locator(".picture").bounding_box() != box)
        page.tab.mouse.click(*page.at(-20, 20))
        note = page.tab.locator(".note")
        until(lambda: note.inner_text() == "that is outside the picture: point at a structure in it")
        page.tab.mouse.click(*page.at(*ON_LEFT))
        assert page.accepted().mask("object")[16, 20]
        until(lambda: note.inner_text() == "")


def test_a_prompt_that_its_frame_refuses_is_told(shown):
    with shown() as page:
        page.tab.mouse.click(*page.at(*ON_LEFT))
        until(lambda: page.session.waiting_prompts)
        page.session.reset("another scene")
        assert page.show(2).objects == {}
        said = "the view changed before the prompt for 'object' could be used: point at it again"
        until(lambda: page.tab.locator(".note").inner_text() == said)


def test_a_page_of_a_network_of_classes_has_nothing_to_point_with(tab):
    with closing(ViewSink(port=0)) as sink:
        sink.open(results.stream())
        sink.write(results.result())
        page = tab(sink.url)
        until(lambda: "lumen" in page.locator(".panel").inner_text())
        assert not page.locator(".objects").is_visible()
        assert page.locator(".pointing").count() == 0

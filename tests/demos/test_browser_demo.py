"""Use the demo's page in a real Chromium, as a person would."""

import os
import threading

import cv2
import pytest
from waiting import WAIT_S, until

from rtseg.sources import open_source
from rtseg.sources.files.bundled_clips import bundled_clips


def drawn(page):
    """Return the mean gray level of the drawn image; a screenshot would take seconds while the page sends its camera."""
    return page.evaluate("""() => {
      const small = document.createElement("canvas"), context = small.getContext("2d");
      context.drawImage(document.querySelector(".picture canvas"), 0, 0, 64, 48);
      const pixels = context.getImageData(0, 0, 64, 48).data;
      return pixels.reduce((sum, value, i) => sum + (i % 4 === 0 ? value : 0), 0) / (64 * 48);
    }""")


def lives(page):
    return page.locator(".rtseg-live .life").inner_text()


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
    until(lambda: "UNFAMILIAR PICTURE" in page.locator(".rtseg-live .reason").inner_text())
    page.get_by_role("button", name="freeze").click()
    until(lambda: lives(page) == "FROZEN")
    assert lives(other) == "–"
    start(other)
    page.keyboard.press("Space")
    until(lambda: page.inner_text("#rtseg-pause") == "Resume")
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
    monkeypatch.setattr(served.visitors, "welcome", lambda *who: known.wait(WAIT_S) and welcome(*who))
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
    before = set(demo.served.visitors._visitors)
    page.reload()
    page.wait_for_selector(".rtseg-live .panel")
    until(lambda: set(demo.served.visitors._visitors).isdisjoint(before))
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


def test_a_clip_is_uploaded_and_plays_and_the_page_needs_no_closed_route(demo):
    page, refused = demo(), []
    page.on("response", lambda answer: answer.status in (400, 404, 405) and refused.append(answer.url))
    page.reload()
    page.wait_for_selector(".rtseg-live .panel")
    page.locator("input[type=file]").first.set_input_files(bundled_clips()["carotid"])
    until(lambda: page.input_value("#rtseg-source input") == "an uploaded clip or still")
    assert "carotid.mp4, " in page.locator(".rtseg-upload + span").first.inner_text()
    start(page)
    until(lambda: drawn(page) > 15)
    assert refused == []
    page.locator("input[type=file]").first.set_input_files({"name": "x.mp4", "mimeType": "video/mp4", "buffer": b"none"})
    until(lambda: "none that the page takes" in page.locator(".rtseg-upload + span").first.inner_text())
    page.screenshot(path=os.environ.get("RTSEG_SCREENSHOT"))
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

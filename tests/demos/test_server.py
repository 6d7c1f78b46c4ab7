"""Test the demo's server over real sockets, and the handlers of its page's clicks, without a browser."""

import base64
import json
import socket
import threading
import urllib.request

import pytest
from gradio import Error as GradioError
from waiting import WAIT_S, until

from rtseg.demos.gradio_app.guard import AccessControl, check_host
from rtseg.demos.gradio_app.page import DemoPage
from rtseg.demos.gradio_app.server import open_listener
from rtseg.demos.gradio_app.settings import DemoSettings
from rtseg.demos.gradio_app.sources import CAMERA, PROBE, UPLOAD, SourceMenu
from rtseg.demos.gradio_app.webcam import SIZE
from rtseg.errors import ConfigError, SinkError
from rtseg.sources.files.bundled_clips import bundled_clips

USUAL = tuple(getattr(DemoSettings(), name) for name in DemoSettings.__slots__)


@pytest.fixture(scope="module")
def page(served):
    return DemoPage(served.visitors, SourceMenu())


@pytest.fixture
def token(served):
    token = served.visitors.welcome().token
    yield token
    served.visitors.leave(token)


def test_the_page_is_there_and_asks_nobody_else(served):
    status, _, body = served.ask("")
    assert status == 200
    text = body.decode()
    assert "rtseg/live.js" in text
    assert "not a medical device" in served.ask("config")[2].decode()
    for stranger in ("fonts.googleapis.com", "cdn.", "huggingface.co/front"):
        assert f"https://{stranger}" not in text.replace("https://cdnjs.cloudflare.com/ajax/libs/iframe-resizer", "")


@pytest.mark.parametrize("name", ["live.css", "live.js", "picture.js", "player.js", "page.css", "page.js"])
def test_the_pages_files(served, name):
    assert served.ask(f"rtseg/{name}")[0] == 200


@pytest.mark.parametrize(
    "path",
    [
        "rtseg/server.py",
        "rtseg/../server.py",
        "rtseg/%2e%2e%2fserver.py",
        "gradio_api/file=/etc/passwd",
        "gradio_api/file=../../../../etc/passwd",
        "file=/etc/passwd",
        "gradio_api/proxy=http://127.0.0.1:1/",
        "docs",
        "openapi.json",
        "live/nobody/figures",
        "live/nobody/video",
        "live/nobody/files/overlay.mp4",
    ],
)
def test_nothing_else_can_be_had(served, path):
    assert served.ask(path)[0] in (400, 401, 403, 404, 410)


def test_no_click_is_an_api(served):
    assert json.loads(served.ask("gradio_api/info")[2]) == {"named_endpoints": {}, "unnamed_endpoints": {}}


def test_a_page_by_another_name_is_refused(served):
    assert served.ask("", Host="evil.example")[0] == 403


def test_another_page_may_not_post(served, token):
    assert served.ask(f"live/{token}/close", b"", Origin="http://evil.example")[0] == 403
    assert served.ask(f"live/{token}/figures")[0] == 200
    origin = served.url.rstrip("/")
    assert served.ask(f"live/{token}/close", b"", Origin=origin)[0] == 204
    assert served.ask(f"live/{token}/figures")[0] == 410


def test_a_request_that_is_too_long_is_not_even_read(served):
    assert served.ask("gradio_api/queue/join", b"x", Content_Length=str(3 << 20))[0] == 413
    assert served.ask("live/x/upload", b"x", Content_Length=str(600 << 20))[0] == 413


def test_a_request_that_does_not_say_how_long_it_is_is_cut_off(served, token):
    host, port = served.url[7:-1].split(":")
    with socket.create_connection((host, int(port)), timeout=WAIT_S) as connection:
        head = f"POST /live/{token}/camera HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.sendall(head.encode())
        chunk = b"10000\r\n" + bytes(0x10000) + b"\r\n"
        try:
            for _ in range(64):
                connection.sendall(chunk)
            assert b" 204 " not in connection.recv(100)
        except OSError:
            pass  # the server closed the connection
    assert served.ask(f"live/{token}/figures")[0] == 200


def test_a_visitor_watches_his_stream(served, page, token):
    page._start(token, PROBE, "", *USUAL)
    until(lambda: served.figures(token)["frames"] > 2)
    with urllib.request.urlopen(f"{served.url}live/{token}/video", timeout=WAIT_S) as video:
        visitor = served.visitors.find(token)
        until(lambda: visitor.is_watching)
        taken = b""
        while taken.count(b"\xff\xd9\r\n--rtseg-picture") < 3:
            taken += video.read1(65536)
    until(lambda: not visitor.is_watching)
    page._pause(token)
    assert served.figures(token)["paused"]
    page._reset(token)
    page._fault(token, "freeze")
    page._apply(token, *USUAL)
    page._stop(token)
    assert served.figures(token)["message"] == "stopped"


def test_a_room_that_is_none_is_refused(served, token):
    status, _, text = served.ask(f"live/{token}/video?room=axb")
    assert (status, text) == (400, b"'axb' is no room for a picture: give WIDTHxHEIGHT in pixels, from 10x10")


def test_errors_are_told_on_the_page(page, token):
    with pytest.raises(GradioError, match="nothing was uploaded yet"):
        page._start(token, UPLOAD, "", *USUAL)
    with pytest.raises(GradioError, match="there is no model"):
        page._apply(token, "/etc/passwd", *USUAL[1:])
    with pytest.raises(GradioError, match="reload it"):
        page._stop("nobody")
    with pytest.raises(GradioError, match="not what plays now"):
        page._fault(token, "freeze")


def test_the_browsers_camera_comes_in(served, page, token):
    assert served.ask(f"live/{token}/camera", bytes(SIZE[0] * SIZE[1]))[0] == 400  # the camera is not the current source
    page._start(token, CAMERA, "", *USUAL)
    assert served.ask(f"live/{token}/camera", bytes(SIZE[0] * SIZE[1]))[0] == 204
    status, _, text = served.ask(f"live/{token}/camera", b"123")
    assert (status, text.split(b":")[0]) == (400, b"a picture of 3 bytes is not 480x640 grey pixels")
    until(lambda: served.figures(token)["frames"] >= 1)


def test_a_recording_from_upload_to_summary(served, page, token):
    assert served.ask(f"live/{token}/upload", bundled_clips()["carotid"].read_bytes())[0] == 204
    told = []
    html = page._follow(token, "carotid-int8", "openvino", lambda done, **_: told.append(done))
    assert told[-1] == (150, 150)
    assert "150 frames, 6.0 s, through carotid-int8" in html
    assert html.count("<figure>") == 3
    assert "NEW, 1 frame: first frame" in html
    for name, kind in (
        ("overlay.mp4", "video/mp4"),
        ("masks.zip", "application/zip"),
        ("measurements.csv", "text/csv"),
        ("measurements.jsonl", ""),
        ("scan-report.html", "text/html"),
    ):
        status, headers, body = served.ask(f"live/{token}/files/{name}")
        assert status == 200
        assert headers["Content-Type"].startswith(kind)
        assert len(body) > 1000
    assert served.ask(f"live/{token}/files/upload.mp4")[0] == 404
    rows = served.ask(f"live/{token}/files/measurements.csv")[2].decode().splitlines()
    assert len(rows) == 151
    assert rows[1].startswith("0,0.0,NEW,first frame,lumen,0.9")


def test_closing_the_page_stops_the_work(served, page):
    token = served.visitors.welcome().token
    visitor, begun, raised = served.visitors.find(token), threading.Event(), []

    def follow():
        try:
            page._follow(token, "carotid-int8", "openvino", lambda *_, **__: begun.set())
        except GradioError as error:
            raised.append(str(error))

    thread = threading.Thread(target=follow)
    thread.start()
    assert begun.wait(WAIT_S)
    with pytest.raises(GradioError, match="one recording or benchmark at a time"):
        page._follow(token, "carotid-int8", "openvino", lambda *_, **__: None)
    served.visitors.leave(token)
    thread.join(WAIT_S)
    assert "the page was closed" in raised[0]
    assert not visitor.folder.exists()


def test_a_benchmark_from_click_to_report(served, page, token, monkeypatch):
    monkeypatch.setitem(__import__("rtseg.demos.gradio_app.benchmark", fromlist=["LENGTHS"]).LENGTHS, "tiny", 4)
    told = []
    html = page._measure(token, "clip:carotid", "carotid-int8", "openvino", "tiny", lambda _, desc: told.append(desc))
    assert "paced" in told
    assert "<iframe" in html
    for name in ("report.html", "report.json", "report.md"):
        assert served.ask(f"live/{token}/files/{name}")[0] == 200
    with pytest.raises(GradioError, match="not on offer"):
        page._measure(token, "/etc/passwd", "carotid-int8", "openvino", "tiny", lambda *_, **__: None)


def test_one_visitor_too_many_is_told_so(serve):
    only_one = serve(most=1)
    full = DemoPage(only_one.visitors, SourceMenu())
    token, view = full._welcome()
    assert f'data-base="live/{token}/"' in view
    assert full._welcome() == (
        "",
        '<p class="refused">1 pages are open, and this server takes no more: close one, and reload after a while</p>',
    )


def test_a_password_guards_everything(serve):
    guarded = serve(accounts=("ann:secret", "bob:1234"))
    right = "Basic " + base64.b64encode(b"bob:1234").decode()
    for path in ("", "config", "rtseg/live.js", "live/x/video", "gradio_api/file=x"):
        assert guarded.ask(path)[0] == 401
        for wrong in ("Basic eA==", "Basic %%%", "Bearer x", "Basic " + base64.b64encode(b"bob:12345").decode()):
            assert guarded.ask(path, Authorization=wrong)[0] == 401
    assert guarded.ask("", Authorization=right)[0] == 200
    assert guarded.ask("")[1]["WWW-Authenticate"].startswith("Basic")


def test_the_network_is_not_served_without_a_password():
    check_host("127.0.0.1", [])
    check_host("0.0.0.0", ["a:b"])
    with pytest.raises(ConfigError, match="can be reached from the network: give --auth"):
        check_host("0.0.0.0", [])


@pytest.mark.parametrize("account", ["ann", "ann:", ":secret", ""])
def test_an_account_has_a_name_and_a_password(account):
    with pytest.raises(ConfigError, match="NAME:PASSWORD: give both"):
        AccessControl(None, [account])


def test_a_port_that_is_taken(served):
    with pytest.raises(SinkError, match="give another --host or --port"):
        open_listener("127.0.0.1", int(served.url.split(":")[2].strip("/")))

"""Tests network streams with unusual or hostile peers, and that credentials stay secret."""

import gc
import logging
import threading
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from statistics import median

import av
import cv2
import pytest
from av.container import InputContainer
from faults.camera import COLOUR, Camera
from faults.pictures import ROWS, picture
from faults.rtsp import RtspServer
from faults.scene import Viewer, free_port, watched
from faults.server import SilentServer, ThreadedServer
from sources.links import link_threads, wait_until

from rtseg.connection import LinkState
from rtseg.errors import ConfigError, SourceError
from rtseg.sources import open_source
from rtseg.sources.live import ffmpeg_link, network_stream
from rtseg.sources.live.http_request import HttpStream
from rtseg.sources.live.mjpeg_link import MjpegLink

SECRET = "geheim"


@pytest.fixture(autouse=True)
def _no_thread_is_left():
    yield
    wait_until(lambda: not link_threads())


@pytest.fixture
def impatient(monkeypatch):
    """Set timeouts of a tenth of a second."""
    quick = {name: replace(one, open_s=0.1, read_s=0.1) for name, one in network_stream.PROTOCOLS.items()}
    monkeypatch.setattr(network_stream, "PROTOCOLS", quick)


@pytest.fixture
def camera():
    one = Camera(fps=30)
    yield one
    one.close()


def test_credentials_are_used_and_never_told(camera, caplog, capfd):
    server = RtspServer(camera, credentials=f"admin:{SECRET}")
    address = server.url.replace("//", f"//admin:{SECRET}@")
    with caplog.at_level(logging.DEBUG):
        source = open_source(address)
        viewer = Viewer(source, camera)
        wait_until(lambda: viewer.newest and viewer.newest.origin)
        server.close()
        wait_until(lambda: source.counts[LinkState.REOPENING])
        viewer.close()
    told = [repr(event) for event in source.events] + [viewer.newest.origin.device, caplog.text, *capfd.readouterr()]
    assert len(source.events) > 3
    assert SECRET not in "".join(told)


@pytest.mark.parametrize("answer", ["refused", "401", "silent", "nonsense"])
def test_an_error_holds_no_secret(answer, camera, caplog, impatient):
    class Nonsense(ThreadedServer):
        def serve(self, client):
            client.recv(100)
            client.sendall(b"RTSP/1.0 200 OK\r\n\r\n" + bytes(1000))

    makes = {"401": lambda: RtspServer(camera, credentials="other:words"), "silent": SilentServer, "nonsense": Nonsense}
    server = makes.get(answer, SilentServer)()
    if answer == "refused":
        server.close()
    with caplog.at_level(logging.DEBUG), pytest.raises(SourceError, match=r"\*\*\*@127.0.0.1.* check the address") as error:
        open_source(f"rtsp://admin:{SECRET}@127.0.0.1:{server.port}/live?token={SECRET}")
    server.close()
    chain, told = error.value, ""
    while chain is not None:
        told, chain = told + str(chain) + repr(chain), chain.__cause__ or chain.__context__
    assert SECRET not in told + caplog.text


@pytest.mark.parametrize("scheme", ["rtsp", "tcp", "http"])
def test_a_peer_that_accepts_and_says_nothing_is_a_clear_error(scheme, impatient):
    server = SilentServer()
    with pytest.raises(SourceError, match="did not answer in time"):
        open_source(f"{scheme}://127.0.0.1:{server.port}/live")
    server.close()


def test_nobody_who_sends_is_a_clear_error(impatient):
    with pytest.raises(SourceError, match="did not answer in time"):
        open_source(f"udp://127.0.0.1:{free_port()}")


def test_srt_names_the_way_round_where_no_program_knows_it(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(SourceError, match="does not know srt://: pipe it in, as in `ffmpeg -i srt://"):
        open_source("srt://127.0.0.1:9000")


def test_an_option_is_passed_on_and_a_wrong_one_is_refused(camera):
    server = RtspServer(camera)
    with pytest.raises(ConfigError, match=r"there are .*rtsp_transport"):
        open_source(f"{server.url}#transport=udp")
    with pytest.raises(SourceError, match="cannot be opened"):
        open_source(f"{server.url}#rtsp_transport=udp")  # this server refuses UDP
    server.close()


@pytest.mark.parametrize("kind", ["rtsp", "http"])
def test_the_size_may_change_in_mid_stream(kind):
    with watched(kind, fps=30) as (scene, _, viewer):
        wait_until(lambda: len(viewer.seen) > 5)
        scene.camera.size = (240, 320)
        moment = time.perf_counter_ns()
        wait_until(lambda: viewer.first_sent_after(moment) and viewer.shapes[-1] == (240, 320))
        assert viewer.error is None
        assert (144, 256) in viewer.shapes
        assert list(viewer.indices) == sorted(set(viewer.indices))


@pytest.mark.parametrize("kind", ["rtsp", "udp", "tcp", "http", "igtl"])
def test_the_pixels_may_take_another_form_in_mid_stream(kind):
    """Gray at 4:2:0 becomes color at 4:4:4; for OpenIGTLink, one channel becomes three."""
    with watched(kind, fps=30) as (scene, _, viewer):
        wait_until(lambda: len(viewer.seen) > 5)
        assert {len(shape) for shape in viewer.shapes} == {2}
        scene.camera.form = COLOUR
        moment = time.perf_counter_ns()
        wait_until(lambda: viewer.first_sent_after(moment) and viewer.shapes[-1] == (144, 256, 3))
        assert viewer.error is None
        assert list(viewer.indices) == sorted(set(viewer.indices))
        red, green, blue = viewer.frames[-1].image[ROWS:].mean((0, 1))
        assert red < 0.7 * green
        assert green == pytest.approx(blue, rel=0.1)


@pytest.mark.parametrize("kind", ["rtsp", "tcp"])
def test_timestamps_may_go_backwards_and_jump(kind):
    with watched(kind, fps=30) as (scene, _, viewer):
        wait_until(lambda: len(viewer.seen) > 10)
        for stamp in (lambda number: number / 30 + 4000, lambda number: number / 30 + 3):
            scene.camera.stamp = stamp
            moment = time.perf_counter_ns()
            wait_until(lambda moment=moment: viewer.first_sent_after(moment + 500_000_000) or viewer.error)
        assert viewer.error is None
        assert list(viewer.indices) == sorted(set(viewer.indices))
        late = [(frame.captured_ns - frame.origin.corrected_ns) / 1e6 for frame in viewer.frames if frame.origin]
        assert min(late) >= 0
        assert median(late[-10:]) < 1000


@pytest.fixture
def _no_collector():
    """Disable the garbage collector: a decoder must be freed without it."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def count_objects(kind):
    """Return the number of live objects of a class."""
    return sum(issubclass(type(one), kind) for one in gc.get_objects())  # isinstance would load lazy modules


@pytest.mark.usefixtures("_no_collector")
@pytest.mark.parametrize("kind", ["http", "tcp", "rtsp"])
def test_many_connections_leave_nothing_behind(kind):
    left = (MjpegLink, HttpStream) if kind == "http" else (InputContainer, ffmpeg_link.StreamLink)
    before = [count_objects(one) for one in left]  # those of other tests
    with watched(kind, fps=60, gop=1) as (scene, source, viewer):
        for turn in range(6):
            wait_until(lambda turn=turn: source.counts[LinkState.LIVE] > turn or viewer.error)
            scene.cut()
        wait_until(lambda: source.counts[LinkState.LIVE] > 6)
        assert viewer.error is None
        threads = [thread for thread in threading.enumerate() if thread.name == "rtseg-link"]
        assert len(threads) == 1
        wait_until(lambda: [count_objects(one) for one in left] == [count + 1 for count in before])


def test_closing_is_at_once_while_the_peer_is_silent():
    with watched("rtsp", fps=30) as (scene, source, viewer):
        wait_until(lambda: len(viewer.seen) > 5)
        scene.conditions.silent = True
        wait_until(lambda: source.counts[LinkState.STALLED])
        source.close()
        assert source.state is LinkState.ENDED


def test_a_recording_over_http_is_played_to_its_end(tmp_path):
    path = tmp_path / "scan.mp4"
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        coder = container.add_stream("libx264", rate=30)
        coder.height, coder.width, coder.pix_fmt = 48, 64, "yuv420p"
        for _ in range(20):
            container.mux(coder.encode(av.VideoFrame(64, 48, "yuv420p")))
        container.mux(coder.encode(None))
    server = FileServer(path)
    with closing(open_source(f"http://127.0.0.1:{server.port}/scan.mp4")) as source:
        assert len(list(source)) == 20
        assert source.state is LinkState.ENDED
    server.close()


class FileServer(ThreadedServer):
    """Serves one complete file over HTTP."""

    def __init__(self, path: Path):
        self._body = path.read_bytes()
        super().__init__()

    def serve(self, client):
        with client.makefile("rb") as request:
            while request.readline().strip():
                pass
        head = f"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nContent-Length: {len(self._body)}\r\nConnection: close\r\n\r\n"
        client.sendall(head.encode() + self._body)


def test_a_web_page_is_no_video():
    class LoginPage(ThreadedServer):
        def serve(self, client):
            client.recv(1000)
            client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<html>login</html>")

    server = LoginPage()
    with pytest.raises(SourceError, match="cannot be opened"):
        open_source(f"http://127.0.0.1:{server.port}/")
    server.close()


def test_pictures_that_come_faster_than_they_are_decoded_are_given_up(monkeypatch):
    class Torrent(ThreadedServer):
        """Sends MJPEG as fast as the client reads."""

        def serve(self, client):
            client.recv(1000)
            client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=b\r\n\r\n")
            jpeg = cv2.imencode(".jpg", picture(1))[1].tobytes()
            part = b"--b\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%b\r\n" % (len(jpeg), jpeg)
            while not self.closed.is_set():
                client.sendall(part * 50)

    monkeypatch.setattr(ffmpeg_link, "_MAX_BEHIND_NS", 50_000_000)
    monkeypatch.setattr(ffmpeg_link, "_MIN_WAIT_NS", 10**12)  # never reached, even on a slow machine
    server = Torrent()
    source = open_source(f"http://127.0.0.1:{server.port}/")
    viewer = Viewer(source, Camera("raw"))
    wait_until(lambda: source.counts[LinkState.LOST])
    viewer.close()
    viewer.camera.close()
    server.close()
    assert any("faster than they can be decoded here: lower" in event.reason for event in source.events)

"""Provide fixtures: the demo's server in this process, a visitor's stream without a server, and a Chromium."""

import asyncio
import json
import shutil
import threading
import urllib.error
import urllib.request
from contextlib import closing

import pytest

pytest.importorskip("gradio", reason="the demo needs gradio: pip install 'rtseg[demo]'")

from demo_stream import PLAIN, small
from waiting import WAIT_S, until

from rtseg.demos.gradio_app.live import LivePlayer
from rtseg.demos.gradio_app.server import build_application, create_server, open_listener
from rtseg.demos.gradio_app.sources import SourceMenu
from rtseg.demos.gradio_app.visitors import Visitors
from rtseg.sources import open_source

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


class DemoServer:
    """Holds a running server: its visitors, its URL, which ends with a slash, and uvicorn's own object."""

    def __init__(self, visitors, url, run):
        self.visitors, self.url, self.run = visitors, url, run

    def ask(self, path, body=None, **headers):
        """Send a request and return the response's status, headers and body."""
        request = urllib.request.Request(
            self.url + path, body, {key.replace("_", "-"): value for key, value in headers.items()}
        )
        try:
            with urllib.request.urlopen(request, timeout=WAIT_S) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers, error.read()

    def figures(self, token):
        return json.loads(self.ask(f"live/{token}/figures")[2])


async def serve_in_loop(runs, listener, *arguments):
    """Build the application inside the event loop that serves it; otherwise Gradio creates loops and leaves them open."""
    runs.append(create_server(build_application(*arguments)))
    await runs[0].serve(sockets=[listener])


@pytest.fixture(scope="module")
def serve():
    """Yield a function that starts a server, which runs until the module's tests are done."""
    running = []

    def start(most=4, sources=None, accounts=()):
        listener, visitors = open_listener("127.0.0.1", 0), Visitors(most, patience_s=600)
        runs = []
        serving = serve_in_loop(runs, listener, visitors, sources or SourceMenu(), accounts)
        thread = threading.Thread(target=asyncio.run, args=(serving,))
        thread.start()
        until(lambda: runs and runs[0].started)
        running.append((runs[0], thread, visitors, listener))
        return DemoServer(visitors, f"http://127.0.0.1:{listener.getsockname()[1]}/", runs[0])

    yield start
    for run, thread, visitors, listener in running:
        run.should_exit = True
        with closing(listener), closing(visitors):
            thread.join(WAIT_S)
            assert not thread.is_alive()


@pytest.fixture(scope="module")
def served(serve):
    return serve()


@pytest.fixture
def live():
    one = LivePlayer()
    yield one
    one.close()
    assert not [thread.name for thread in threading.enumerate() if thread.name in ("rtseg-demo", "rtseg-jpeg", "rtseg-capture")]


@pytest.fixture
def playing(live):
    live.start(small, PLAIN)
    until(lambda: live.snapshot()["frames"] > 3)
    return live


@pytest.fixture(scope="module")
def camera_clip(tmp_path_factory):
    """Write the input of the browser's fake camera: the synthetic probe as Y4M."""
    path = tmp_path_factory.mktemp("camera") / "probe.y4m"
    source = open_source("synthetic:vessel?height=240&width=320&frames=20")
    with path.open("wb") as file:
        file.write(b"YUV4MPEG2 W320 H240 F20:1 Ip A1:1 C420jpeg\n")
        for frame in source:
            file.write(b"FRAME\n" + frame.image.tobytes() + bytes([128]) * (160 * 120 * 2))
    return path


@pytest.fixture(scope="module")
def browser(camera_clip):
    playwright = pytest.importorskip("playwright.sync_api", reason="the browser tests need playwright: pip install playwright")
    if CHROMIUM is None:
        pytest.skip("there is no Chromium here: apt-get install chromium")
    arguments = [
        "--no-sandbox",
        "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",  # no other host can be resolved
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
    """Yield a function that opens a tab in a browser profile of its own; an error in a tab fails the test."""
    contexts, problems = [], []

    def note(request, url):
        # Listen to failed requests only: Playwright fetches the body of each request with a listener, and the camera's 25
        # images per second would delay every later command.
        if not request.url.startswith((url, "data:", "blob:")):
            problems.append(request.url)

    def open_tab(url, without="", **options):
        context = browser.new_context(viewport={"width": 1280, "height": 800}, **options)
        context.set_default_timeout(WAIT_S * 1000)
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

"""The demo's server, in this process, with small work."""

import asyncio
import json
import threading
import urllib.error
import urllib.request
from contextlib import closing

import pytest

pytest.importorskip("gradio", reason="the demo needs gradio: pip install 'rtseg[demo]'")

from waiting import WAIT_S, until

from rtseg.demos.gradio_app.server import application, listening, server
from rtseg.demos.gradio_app.sources import Sources
from rtseg.demos.gradio_app.visitors import Visitors


class Served:
    """A running server. url: with a slash at its end."""

    def __init__(self, visitors, url):
        self.visitors, self.url = visitors, url

    def ask(self, path, body=None, **headers):
        """Status, headers and body of an answer."""
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


async def serve_there(runs, listener, *arguments):
    """Make the application inside the loop that serves it: else Gradio makes loops of its own, and leaves them open."""
    runs.append(server(application(*arguments)))
    await runs[0].serve(sockets=[listener])


@pytest.fixture(scope="module")
def serve():
    """Starts servers; each runs until the module's tests are done."""
    running = []

    def start(most=4, sources=None, accounts=()):
        listener, visitors = listening("127.0.0.1", 0), Visitors(most, patience_s=600)
        runs = []
        serving = serve_there(runs, listener, visitors, sources or Sources(), accounts)
        thread = threading.Thread(target=asyncio.run, args=(serving,))
        thread.start()
        until(lambda: runs and runs[0].started)
        running.append((runs[0], thread, visitors, listener))
        return Served(visitors, f"http://127.0.0.1:{listener.getsockname()[1]}/")

    yield start
    for run, thread, visitors, listener in running:
        run.should_exit = True
        with closing(listener), closing(visitors):
            thread.join(WAIT_S)
            assert not thread.is_alive()


@pytest.fixture(scope="module")
def served(serve):
    return serve()

"""Step a session by hand with its page, and point at it by plain HTTP."""

import json
import urllib.error
import urllib.request

import results
import trackers
from trackers import blobs

from rtseg.engines.openvino import OpenVinoEngine
from rtseg.frame import Frame
from rtseg.result import Redaction, Result
from rtseg.session.sector import WholeFrame
from rtseg.session.session import Session
from rtseg.sinks.view.sink import ViewSink
from rtseg.trace import LatencyTrace

WAIT_S = 60
LEFT, RIGHT = (12, 8), (60, 8)  # corners of two blobs
ON_LEFT, ON_RIGHT = [20.5 / 96, 16.5 / 64], [68.5 / 96, 16.5 / 64]
JSON = {"Content-Type": "application/json"}


class Stream:
    """Steps a session by hand, as a pipeline does, with its page."""

    def __init__(self, engine: OpenVinoEngine) -> None:
        self.session = Session(engine, locator=WholeFrame())
        self.sink = ViewSink(port=0)
        self.sink.screen.prompts.target = self.session
        self.sink.open(results.stream(*trackers.SIZE, fps=25.0))
        self.index = 0

    def step(self, count: int = 1, *corners: tuple[int, int], redaction: Redaction | None = None) -> Result:
        """Write some frames, each drawn as for a viewer, and return the last result."""
        for _ in range(count):
            result = self.write(blobs(self.index, *(corners or (LEFT, RIGHT))), redaction)
        return result

    def write(self, frame: Frame, redaction: Redaction | None = None) -> Result:
        trace = LatencyTrace(frame.captured_ns)
        result = Result(frame, self.session.step(frame, trace), trace, redaction=redaction)
        self.sink.write(result)
        self.sink.screen.redraw()
        self.index += 1
        return result

    def post(self, control: str, body: object = None, **headers: str) -> tuple[int, str]:
        """Return the status and the text of a POST."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = JSON | {name.replace("_", "-"): value for name, value in headers.items()}
        return posted(f"{self.sink.url}{control}", data, named)

    def point(self, name: str = "object", picture: int | None = None, **place: object) -> tuple[int, str]:
        return self.post("prompt", {"name": name, "picture": picture, **place})

    @property
    def pointing(self) -> dict:
        with urllib.request.urlopen(f"{self.sink.url}figures", timeout=WAIT_S) as answer:
            return json.load(answer)["pointing"]


def posted(address: str, data: bytes, headers: dict[str, str]) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(urllib.request.Request(address, data, headers), timeout=WAIT_S) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()

"""Send a feed of results to one client: as server-sent events, or over a WebSocket."""

from collections.abc import Callable, Iterator

from rtseg.errors import MessageError
from rtseg.sinks.view.http_connection import HttpConnection
from rtseg.sinks.view.result_feed import FeedMessage, ResultFeed
from rtseg.sinks.view.websocket import GOING_AWAY, PROTOCOL_ERROR, ClientFrames, accept_token, close_frame, text_frame

EVENTS_TYPE = "text/event-stream"
_POLL_S = 0.5  # between two checks of the client while there is no result


def send_events(feed: ResultFeed, after: int, client: HttpConnection) -> None:
    """Send each result as a server-sent event (HTML, 9.2), until the stream is over. Raises OSError when the client leaves."""

    def check() -> None:
        if client.has_left():
            raise ConnectionAbortedError("the client has left")

    for message in _messages(feed, after, client, check):
        client.write(b"id: %d\ndata: %s\n\n" % message)
    client.write(b"event: end\ndata: {}\n\n")


def handshake(key: str) -> bytes:
    """Return the response that opens a WebSocket. Raises MessageError."""
    lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"]
    return "\r\n".join([*lines, f"Sec-WebSocket-Accept: {accept_token(key)}", "", ""]).encode()


def send_frames(feed: ResultFeed, after: int, client: HttpConnection) -> None:
    """Send each result as a text frame of a WebSocket, until the stream is over. Raises OSError when the client leaves."""
    frames = ClientFrames()

    def check() -> None:
        came = client.take_input()
        if came is None:
            raise ConnectionAbortedError("the client has left")
        if came and (replies := frames.answer(came)):
            client.write(replies)
        if frames.is_closed:
            raise ConnectionAbortedError("the client has closed the WebSocket")

    try:
        for message in _messages(feed, after, client, check):
            client.write(text_frame(message.json))
    except MessageError:
        client.write(close_frame(PROTOCOL_ERROR))
        return
    client.write(close_frame(GOING_AWAY))


def _messages(feed: ResultFeed, after: int, client: HttpConnection, check: Callable[[], None]) -> Iterator[FeedMessage]:
    """Yield the results beyond the number `after`, and check the client between them."""
    while not feed.is_closed:
        for message in feed.wait_for_newer(after, _POLL_S):
            after = message.number
            yield message
        check()
        client.check()

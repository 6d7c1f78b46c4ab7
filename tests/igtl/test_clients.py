"""Tests the sink's clients: none delays another, and none leaves anything behind."""

import json
import logging
import socket
import threading
from pathlib import Path

import numpy as np
from igtl import peers
from igtl.peers import MessageReader
from igtl.sent import iter_messages, joined, port, result

from rtseg.igtl.image import read_image
from rtseg.igtl.text import read_string
from rtseg.sinks.igtl import server


def test_every_client_gets_everything(sink):
    readers = [MessageReader(port(sink)) for _ in range(5)]
    joined(sink, 5)
    for index in range(3):
        sink.write(result(index))
    for reader in readers:
        with reader:
            got = [message for message in (reader.message() for _ in range(21)) if message.device == "Image_Reference"]
            assert [int(read_image(message.content).pixels[0, 0]) for message in got] == [0, 1, 2]
    assert sink.dropped == 0


def test_a_client_that_never_reads_stops_nobody(sink):
    """It misses whole frames, the oldest first; another client gets all of them, and memory stays bounded."""
    large = np.zeros((600, 800), np.uint8)
    with socket.create_connection(("127.0.0.1", port(sink))), MessageReader(port(sink)) as reader:
        joined(sink, 2)
        for index in range(60):
            sink.write(result(index, image=large, labels=large))
            assert [message for _ in range(7) if (message := reader.message()).device == "Measurements"]
        assert 20 < sink.dropped < 60
    peers.eventually(lambda: sink.clients == 0)


def test_a_slow_client_gets_whole_messages_and_the_newest(sink, monkeypatch):
    monkeypatch.setattr(server, "_FLUSH_S", peers.PATIENCE_S)
    large = np.zeros((600, 800), np.uint8)
    with MessageReader(port(sink)) as reader:
        joined(sink)
        for index in range(60):
            sink.write(result(index, image=large, labels=large))
        dropped = sink.dropped
        sink_closes = threading.Thread(target=sink.close)
        sink_closes.start()
        texts = [read_string(one.content) for one in iter_messages(reader) if one.device == "Measurements"]
        sink_closes.join(peers.PATIENCE_S)
    indices = [json.loads(text)["index"] for text in texts]
    assert dropped > 20
    assert indices == sorted(set(indices))
    assert len(indices) == 60 - dropped
    assert indices[-1] == 59


def test_a_client_that_never_reads_does_not_hold_up_the_end(sink, monkeypatch):
    monkeypatch.setattr(server, "_FLUSH_S", 0.1)
    large = np.zeros((2000, 2000), np.uint8)
    with socket.create_connection(("127.0.0.1", port(sink))):
        joined(sink)
        for index in range(5):
            sink.write(result(index, image=large, labels=large))
        sink.close()
    assert sink.clients == 0


def test_a_client_that_leaves_in_the_middle(sink):
    large = np.zeros((600, 800), np.uint8)
    with MessageReader(port(sink)) as staying:
        for _ in range(5):
            with socket.create_connection(("127.0.0.1", port(sink))):
                joined(sink, 2)
                sink.write(result(image=large, labels=large))
                for _ in range(7):
                    staying.message()
            joined(sink, 1)


def test_what_a_client_says_is_not_heard(sink):
    with MessageReader(port(sink)) as reader:
        joined(sink)
        reader._socket.sendall(peers.header(b"GET_STATUS") + b"\xff" * 100_000)
        sink.write(result())
        assert reader.message().device == "MaskToReference"


def test_too_many_clients_are_sent_away(sink, caplog):
    with caplog.at_level(logging.WARNING):
        clients = [socket.create_connection(("127.0.0.1", port(sink))) for _ in range(17)]
        peers.eventually(lambda: "sent away: 16 are served already" in caplog.text)
        joined(sink, 16)
    for client in clients:
        client.close()
    joined(sink, 0)


def test_200_clients_leave_nothing_behind(sink):
    def handles():
        return len(list(Path("/proc/self/fd").iterdir()))

    before, threads = handles(), threading.active_count()
    for _ in range(200):
        socket.create_connection(("127.0.0.1", port(sink))).close()
    peers.eventually(lambda: sink.clients == 0 and handles() <= before)
    assert threading.active_count() <= threads

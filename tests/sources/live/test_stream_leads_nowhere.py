"""Tests that a network stream cannot open a file of this machine, and that no address can allow it."""

import errno
import os
import socket
import threading

import pytest
from av.error import FFmpegError

from rtseg.errors import ConfigError
from rtseg.sources.live.network_stream import PROTOCOLS, _connect, open_network

pytestmark = pytest.mark.attack


@pytest.mark.parametrize("form", ["hls", "mpegts"])
def test_a_playlist_from_a_tcp_server_opens_no_file(tmp_path, form):
    fifo = tmp_path / "patient.ts"
    os.mkfifo(fifo)
    body = f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:1,\nfile://{fifo}\n#EXT-X-ENDLIST\n".encode()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(5)
        thread = threading.Thread(target=answer, args=(server, body))
        thread.start()
        opening = threading.Thread(target=connect, args=(server.getsockname()[1], form), daemon=True)
        opening.start()
        opening.join(20)
        is_caught = opening.is_alive()
        with pytest.raises(OSError, match=os.strerror(errno.ENXIO)):
            os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
        thread.join()
    assert not is_caught


def answer(server, body):
    with server.accept()[0] as connection:
        connection.sendall(body)


def connect(port, form):
    with pytest.raises((FFmpegError, TimeoutError, ValueError)):
        _connect(f"tcp://127.0.0.1:{port}", PROTOCOLS["tcp"], {"format": form}).close()


@pytest.mark.parametrize("scheme", sorted(PROTOCOLS))
def test_no_address_sets_what_a_stream_may_lead_to(scheme):
    with pytest.raises(ConfigError, match="protocol_whitelist"):
        open_network(f"{scheme}://127.0.0.1:9/x.m3u8#protocol_whitelist=file")

"""Serves one film over RTSP, by TCP or UDP, and leaves out chosen RTP packets (RFC 2326, RFC 6184, RFC 7798)."""

import re
import socket
import time
from fractions import Fraction
from types import SimpleNamespace

import av
from faults.rtsp import RtspServer, fragments, rtp_packets
from sources.streams import CODINGS, SIZE, numbered

FPS = 25
_PACE_S = 0.002  # between two pictures
_FIELDS = {"H264": "packetization-mode=1", "H265": "sprop-max-don-diff=0"}


def coded_film(count, coding):
    """Return [(time in periods, access unit in Annex B), ...] of numbered pictures in the order of decoding."""
    codec, options = CODINGS[coding]
    coder = av.CodecContext.create(codec, "w")
    coder.height, coder.width, coder.pix_fmt, coder.framerate = *SIZE, "yuv420p", FPS
    coder.time_base, coder.options = Fraction(1, FPS), dict(options)
    film = []
    for number in range(count):
        picture = av.VideoFrame.from_ndarray(numbered(number))
        picture.pts = number
        film += coder.encode(picture)
    return [(packet.pts, bytes(packet)) for packet in [*film, *coder.encode(None)]]


class LossyRtsp(RtspServer):
    """Plays `film` as (time in periods, access unit) once for each client, without the RTP packets of the numbers in `lost`."""

    def __init__(self, film, lost=frozenset(), coding="H264", size=300):
        self.coding, self._film, self._size = coding, film, size
        packets, sequence = [], 0
        for number, unit in film:
            made = list(rtp_packets(self.payloads(unit), sequence, round((100 + number) / FPS * 90_000)))
            sequence += len(made)
            packets.append(made)
        self.packets, self.lost = packets, lost
        self._udp = None
        super().__init__(SimpleNamespace(fps=FPS))

    def pieces(self, nal):
        """Return a NAL unit unchanged, or as fragments that are full except the last."""
        if len(nal) <= self._size:
            return [nal]
        if self.coding == "H264":
            return fragments(nal, self._size - 2)
        return _hevc_fragments(nal, self._size - 3)

    def _reply(self, method, fields):
        asked = re.search(r"RTP/AVP(?:/UDP)?;.*client_port=(\d+)-(\d+)", fields.get("transport", ""))
        if method == "SETUP" and asked:
            self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._udp.bind(("127.0.0.1", 0))
            self._udp.connect(("127.0.0.1", int(asked[1])))
            port = self._udp.getsockname()[1]
            return (
                "200 OK",
                f"Transport: RTP/AVP;unicast;client_port={asked[1]}-{asked[2]};server_port={port}-{port + 1}\r\n",
                "",
            )
        return super()._reply(method, fields)

    def _description(self):
        text = super()._description().replace("packetization-mode=1", _FIELDS[self.coding])
        return text + f"a=range:npt=0-{len(self._film) / FPS}\r\n"

    def _play(self, client):
        number = 0
        for packets in self.packets:
            for packet in packets:
                if number not in self.lost:
                    self._send(client, packet)
                number += 1
            time.sleep(_PACE_S)
        if self._udp:
            self.closed.wait(5)

    def _send(self, client, packet):
        if self._udp:
            self._udp.send(packet)
        else:
            client.sendall(b"$\0" + len(packet).to_bytes(2, "big") + packet)


def _hevc_fragments(nal, size):
    head, body = nal[:2], nal[2:]
    kind = head[0] >> 1 & 63
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    outer = bytes([head[0] & 0x81 | 49 << 1, head[1]])
    ends = [(0x80 if at == 0 else 0) | (0x40 if at == len(pieces) - 1 else 0) for at in range(len(pieces))]
    return [outer + bytes([end | kind]) + piece for end, piece in zip(ends, pieces, strict=True)]

"""Serves one camera over RTSP 1.0 with RTP interleaved in the connection (RFC 2326, RFC 6184)."""

import base64
import queue
import struct

from faults.server import ThreadedServer

_PAYLOAD, _MTU, _CLOCK = 96, 1400, 90_000


class RtspServer(ThreadedServer):
    """Plays `camera` at rtsp://127.0.0.1:PORT/live; requires `credentials` ("user:password") if given."""

    coding = "H264"

    def __init__(self, camera, port=0, credentials=None):
        self.camera, self._credentials = camera, credentials
        super().__init__(port)

    @property
    def url(self):
        return f"rtsp://127.0.0.1:{self.port}/live"

    def serve(self, client):
        requests = client.makefile("rb")
        while (method := self._answer(client, requests)) not in ("TEARDOWN", ""):
            if method == "PLAY":
                self._play(client)
                return

    def _answer(self, client, requests):
        """Answer one request; return its method, or "" where the client has disconnected."""
        line = requests.readline().decode("latin1")
        fields = {}
        while field := requests.readline().decode("latin1").strip():
            name, _, value = field.partition(":")
            fields[name.lower()] = value.strip()
        method = line.split(" ")[0] if line.strip() else ""
        if not method:
            return ""
        status, extra, body = self._reply(method, fields)
        head = f"RTSP/1.0 {status}\r\nCSeq: {fields.get('cseq', '0')}\r\nSession: 12345678\r\n{extra}"
        client.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        return method

    def _reply(self, method, fields):
        wanted = self._credentials and "Basic " + base64.b64encode(self._credentials.encode()).decode()
        if wanted and fields.get("authorization") != wanted:
            return "401 Unauthorized", 'WWW-Authenticate: Basic realm="test"\r\n', ""
        if method == "OPTIONS":
            return "200 OK", "Public: DESCRIBE, SETUP, PLAY, TEARDOWN\r\n", ""
        if method == "DESCRIBE":
            return "200 OK", "Content-Type: application/sdp\r\n", self._description()
        if method == "SETUP":
            if "TCP" not in fields.get("transport", ""):
                return "461 Unsupported Transport", "", ""
            return "200 OK", "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n", ""
        return "200 OK", "", ""

    def _description(self):
        return (
            "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\na=control:*\r\n"
            f"m=video 0 RTP/AVP {_PAYLOAD}\r\na=rtpmap:{_PAYLOAD} {self.coding}/{_CLOCK}\r\na=framerate:{self.camera.fps}\r\n"
            f"a=fmtp:{_PAYLOAD} packetization-mode=1\r\na=control:track1\r\n"
        )

    def payloads(self, unit):
        """Return the RTP payloads of an access unit in Annex B."""
        nals = [nal for nal in unit.replace(b"\x00\x00\x00\x01", b"\x00\x00\x01").split(b"\x00\x00\x01") if nal]
        return [payload for nal in nals for payload in self.pieces(nal)]

    def pieces(self, nal):
        """Return a NAL unit unchanged, or as fragments (FU-A) that are all full except the last."""
        return fragments(nal, _MTU - 2) if len(nal) > _MTU else [nal]

    def _play(self, client):
        coded, sequence, units = self.camera.subscribe(), 0, 0
        try:
            while not self.closed.is_set():
                try:
                    number, unit, is_key = coded.get(timeout=0.2)
                except queue.Empty:
                    client.send(b"$\x01\x00\x00")  # fails if the client has disconnected
                    continue
                units += is_key
                if not units:
                    continue  # start at a key frame, as cameras do
                stamp = round(self.camera.stamp(number) * _CLOCK) & 0xFFFFFFFF
                packets = list(rtp_packets(self.payloads(unit), sequence, stamp))
                sequence += len(packets)
                client.sendall(b"".join(struct.pack(">cBH", b"$", 0, len(packet)) + packet for packet in packets))
        finally:
            self.camera.unsubscribe(coded)


def rtp_packets(payloads, sequence, stamp):
    """Yield the RTP packets of one picture."""
    for place, payload in enumerate(payloads):
        last = place == len(payloads) - 1
        yield struct.pack(">BBHII", 0x80, last << 7 | _PAYLOAD, (sequence + place) & 0xFFFF, stamp, 0x5EED) + payload


def fragments(nal, size, first=None):
    """Split a NAL unit into fragments (FU-A) of `size` bytes; the first one has `first` bytes, if given."""
    indicator, kind, body, first = nal[0] & 0xE0 | 28, nal[0] & 0x1F, nal[1:], first or size
    pieces = [body[:first], *(body[at : at + size] for at in range(first, len(body), size))]
    ends = [(0x80 if at == 0 else 0) | (0x40 if at == len(pieces) - 1 else 0) for at in range(len(pieces))]
    return [bytes([indicator, end | kind]) + piece for end, piece in zip(ends, pieces, strict=True)]

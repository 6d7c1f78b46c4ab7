"""Attack the demo's server over real HTTP: with file names in events, with its routes, and by taking all places."""

import errno
import json
import os
import socket
import threading
import urllib.error
import urllib.request
from contextlib import closing

import pytest
from waiting import until

from rtseg.demos.gradio_app.sources import ADDRESS, SourceMenu
from rtseg.demos.gradio_app.uploads import UploadRefused, accept_upload
from rtseg.demos.gradio_app.visitors import MAX_CLICKS, MAX_VIEWS, Visitors
from rtseg.errors import SourceError, ViewerRefused
from rtseg.sources.files.bundled_clips import bundled_clips

pytestmark = pytest.mark.attack

PATIENCE_S = 20
CLIP = bundled_clips()["carotid"]


class AttackClient:
    """Sends the requests of Gradio's page, from an address of its own."""

    def __init__(self, served, session, address="127.0.0.1"):
        self.served, self.session, self.address = served, session, address
        config = json.loads(served.ask("config")[2])
        self.events = config["dependencies"]
        self.token = ""

    def ask(self, path, body=None, content_type="application/json"):
        """Send a request and return the response's status and body."""
        host, port = self.served.url[7:-1].split(":")
        length = len(body or b"")
        head = f"{'GET' if body is None else 'POST'} /{path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n"
        head += f"Content-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n"
        with socket.create_connection((host, int(port)), PATIENCE_S, source_address=(self.address, 0)) as connection:
            connection.sendall(head.encode() + (body or b""))
            answer = b""
            while piece := connection.recv(1 << 16):
                answer += piece
        return int(answer.split()[1]), answer.partition(b"\r\n\r\n")[2]

    def send(self, index, data, way="run/predict", **more):
        event = {"data": data, "session_hash": self.session, "fn_index": index, "event_data": None, "trigger_id": None}
        return self.ask(f"gradio_api/{way}", json.dumps(event | more).encode())

    def come_in(self):
        index = next(one["id"] for one in self.events if any(target[1] == "load" for target in one["targets"]))
        status, body = self.send(index, [])
        assert status == 200
        view = json.loads(body)["data"][1]
        self.token = view.partition("live/")[2].partition("/")[0]
        return self


@pytest.fixture
def fifo(tmp_path):
    path = tmp_path / "fifo.mp4"
    os.mkfifo(path)
    yield path
    is_untouched(path)  # opening it unblocks a reader


def is_untouched(fifo):
    """Return whether no process has opened the FIFO for reading."""
    try:
        os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
    except OSError as error:
        return error.errno == errno.ENXIO
    return False


def shapes(path):
    """Return values that name the file, in each form that Gradio may accept."""
    named = {"path": path, "meta": {"_type": "gradio.FileData"}, "orig_name": "x.mp4", "size": 1}
    url = {"url": f"file://{path}", "path": path, "meta": {"_type": "gradio.FileData"}}
    return [named, url, [named], [[path]], {"value": named}, {"video": named, "subtitles": None}, {"a": {"b": [named]}}]


def names(tmp_path, fifo):
    """Create files that a visitor might name; code that fails these tests may copy or delete them."""
    clip, link, device = tmp_path / "clip.mp4", tmp_path / "link.mp4", tmp_path / "device.mp4"
    clip.write_bytes(CLIP.read_bytes())
    link.symlink_to(clip)
    device.symlink_to("/dev/null")
    return [str(clip), f"{tmp_path}/../{tmp_path.name}/link.mp4", str(link), "/proc/self/fd/5", str(device), str(fifo)]


@pytest.mark.parametrize("way", ["run/predict", "queue/join"])
def test_no_event_of_the_page_opens_a_file_that_it_names(serve, tmp_path, fifo, monkeypatch, way):
    cache = tmp_path / "cache"
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(cache))
    served = serve()
    attacker, other = AttackClient(served, "attacker").come_in(), AttackClient(served, "other").come_in()
    first = attacker.events[0]["id"]
    for event in attacker.events:
        for place in range(len(event["inputs"])):
            data = [None] * len(event["inputs"])
            data[place] = shapes(str(fifo))[0]
            assert attacker.send(event["id"], data, way)[0] == 400
    for name in names(tmp_path, fifo):
        for shape in shapes(name):
            assert attacker.send(first, [shape], way)[0] == 400
        assert json.loads(other.ask(f"live/{other.token}/figures")[1])["message"]
    assert is_untouched(fifo)
    assert not [path for path in cache.rglob("*") if path.is_file()]
    assert served.visitors.find(attacker.token).upload is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b"[" * 5000,
        b'{"data": 1}',
        b'{"data": [NaN], "session_hash": "a", "fn_index": 0}',
        b"\xff",
        b"x" * 70_000,
    ],
    ids=repr,
)
def test_an_event_that_is_none_is_refused(served, body):
    assert AttackClient(served, "x").ask("gradio_api/run/predict", body)[0] in (400, 413)


def test_an_event_names_its_session_and_function(served):
    visitor = AttackClient(served, "x")
    for more in ({"session_hash": None}, {"session_hash": "../x"}, {"fn_index": None}, {"fn_index": "0"}, {"trigger_id": {}}):
        assert visitor.send(0, [], **more)[0] == 400
    assert visitor.send(0, ["x" * 3000])[0] == 400
    assert visitor.send(0, [10**400])[0] == 400


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("gradio_api/upload", b"x"),
        ("gradio_api/upload_progress?upload_id=x", None),
        ("gradio_api/component_server", b"{}"),
        ("gradio_api/call/start", b'{"data": []}'),
        ("gradio_api/api/predict", b'{"data": []}'),
        ("gradio_api/run/start", b'{"data": []}'),
        ("gradio_api/stream/x", b"x"),
        ("gradio_api/stream/a/b/1/playlist.m3u8", None),
        ("gradio_api/proxy=http://127.0.0.1:1/", None),
        ("gradio_api/file=/proc/self/fd/0", None),
        ("gradio_api/file/etc/passwd", None),
        ("gradio_api/process_recording", b"x"),
        ("gradio_api/vibe-edit", b"{}"),
        ("gradio_api/vibe-code", None),
        ("gradio_api/custom_component/x/client/component/y", None),
        ("gradio_api/runs", None),
        ("gradio_api/reset", b"{}"),
        ("gradio_api/cancel", b"{}"),
        ("gradio_api/deep_link?session_hash=x", None),
        ("monitoring", None),
        ("login", b"x"),
        ("static/../../../routes.py", None),
        ("assets/%2e%2e/%2e%2e/routes.py", None),
        ("live/x/files/../../x", None),
    ],
)
def test_no_route_of_gradios_is_open_that_the_page_does_not_need(served, path, body):
    assert AttackClient(served, "x").ask(path, body) == (404, b"there is nothing here")


@pytest.mark.parametrize("make", ["link", "hard link", "fifo", "folder", "outside", "climb", "device"])
def test_only_a_regular_file_of_the_visitors_folder_is_taken_in(tmp_path, fifo, make):
    folder, secret = tmp_path / "mine", tmp_path / "secret.mp4"
    folder.mkdir()
    secret.write_bytes(CLIP.read_bytes())
    path = folder / "x"
    match make:
        case "link":
            path.symlink_to(secret)
        case "hard link":
            path.hardlink_to(secret)
        case "fifo":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case "outside":
            path = secret
        case "climb":
            path = folder / ".." / "secret.mp4"
        case "device":
            path.symlink_to("/dev/zero")  # by a link only: code that deletes a refused path would delete the device
    with pytest.raises(UploadRefused, match="no upload of this page"):
        accept_upload(path, folder)
    assert secret.read_bytes() == CLIP.read_bytes()
    assert os.path.lexists(path)
    assert is_untouched(fifo)


@pytest.mark.parametrize(
    "text",
    [
        b"#EXTM3U\nAVI \n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n%s\n",
        b"v=0\nAVI AVI \nc=IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\n",
        b"v=0\nftyp\nc=IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\n",
        b"RIFFxxxxAVI <MPD urn:mpeg:dash:profile:isoff-main:2011 type='static'><BaseURL>%s</BaseURL></MPD>",
    ],
    ids=["hls", "sdp", "sdp as mp4", "dash"],
)
def test_an_upload_that_leads_elsewhere_is_refused(served, fifo, text):
    visitor = AttackClient(served, "leading").come_in()
    status, told = visitor.ask(f"live/{visitor.token}/upload", text.replace(b"%s", str(fifo).encode()))
    assert status == 400
    assert b"none that the page takes" in told or b"cannot be read" in told
    assert b"\n" not in told
    assert is_untouched(fifo)
    assert [path.name for path in served.visitors.find(visitor.token).folder.iterdir()] == []
    served.visitors.leave(visitor.token)


def test_an_upload_belongs_to_its_visitor_alone(served):
    mine, other = AttackClient(served, "mine").come_in(), AttackClient(served, "theirs").come_in()
    assert mine.ask(f"live/{mine.token}/upload", CLIP.read_bytes())[0] == 204
    kept = served.visitors.find(mine.token).upload
    assert kept.stat().st_mode & 0o777 == 0o600
    assert kept.parent.stat().st_mode & 0o777 == 0o700
    assert served.visitors.find(other.token).upload is None
    for path in (f"live/{other.token}/files/{kept.name}", f"live/{other.token}/files/..%2f{kept.parent.name}%2f{kept.name}"):
        assert other.ask(path)[0] == 404
    assert other.ask("live/guessed/upload", b"x")[0] == 410
    for one in (mine, other):
        served.visitors.leave(one.token)
    assert not kept.exists()


@pytest.mark.parametrize(
    "address",
    ["camera:/etc/passwd", "camera:/proc/self/fd/3", "camera:../x", "camera:/dev/video0/../zero", "http:/etc/passwd", "tcp:x"],
)
def test_an_address_names_a_camera_or_a_host(address):
    with pytest.raises(SourceError, match="names a camera by its number or a host"):
        SourceMenu(any_address=True).opener(ADDRESS, address)


def test_one_party_cannot_keep_all_places(serve):
    served = serve(most=3)
    greedy = [AttackClient(served, f"greedy{i}").come_in() for i in range(3)]
    assert AttackClient(served, "greedy3").come_in().token == ""
    other = AttackClient(served, "other", "127.0.0.2").come_in()
    assert other.token
    assert other.ask(f"live/{other.token}/figures")[0] == 200
    assert [one.ask(f"live/{one.token}/figures")[0] for one in greedy] == [200, 200, 410]
    assert AttackClient(served, "third", "127.0.0.3").come_in().token
    assert AttackClient(served, "fourth", "127.0.0.4").come_in().token == ""  # each has one place, and keeps it
    assert [one.ask(f"live/{one.token}/figures")[0] for one in (greedy[0], other)] == [200, 200]


def test_a_page_that_asks_again_and_again_has_one_place(serve):
    served = serve(most=3)
    tokens = {AttackClient(served, "same").come_in().token for _ in range(6)}
    assert len(tokens) == 6
    assert len(served.visitors) == 1


def test_an_address_cannot_be_made_up_by_a_header(serve):
    served = serve(most=1)
    assert AttackClient(served, "one").come_in().token
    body = json.dumps({"data": [], "session_hash": "b", "fn_index": AttackClient(served, "b").events[-1]["id"]}).encode()
    seen = {one.client_id for one in served.visitors._visitors.values()}
    served.ask(
        "gradio_api/run/predict", body, X_Forwarded_For="10.9.8.7", X_Rtseg_Party="616263", Content_Type="application/json"
    )
    assert {one.client_id for one in served.visitors._visitors.values()} == seen == {"@127.0.0.1"}


def test_uploads_and_clicks_of_one_visitor_are_counted():
    with closing(Visitors(most=4)) as visitors:
        first, second, third, other = (visitors.welcome(party) for party in ("a", "a", "a", "b"))
        with visitors.receive(first) as allowed, visitors.receive(second), visitors.receive(other):
            for one in (first, third):
                with pytest.raises(ViewerRefused, match="one upload of a page at a time"), visitors.receive(one):
                    pass
            assert allowed(1 << 30)
            assert not allowed((1 << 30) + 1)
        with visitors.receive(third):
            pass
        for _ in range(MAX_CLICKS):
            first.clicks.acquire()
        with pytest.raises(ViewerRefused, match="busy with earlier clicks"), first.click():
            pass


def test_viewers_of_one_page_are_counted_and_others_are_answered(served):
    visitor = AttackClient(served, "viewers").come_in()
    views = [urllib.request.urlopen(f"{served.url}live/{visitor.token}/video", timeout=PATIENCE_S) for _ in range(MAX_VIEWS)]
    try:
        until(lambda: served.visitors.find(visitor.token).live.screen.broadcast.viewers == MAX_VIEWS)
        assert visitor.ask(f"live/{visitor.token}/video")[0] == 429
        assert visitor.ask(f"live/{visitor.token}/figures")[0] == 200
    finally:
        for view in views:
            view.close()
    served.visitors.leave(visitor.token)


def test_a_visitor_whose_work_hangs_holds_up_nobody(served, monkeypatch):
    stuck, other, free = AttackClient(served, "stuck").come_in(), AttackClient(served, "free").come_in(), threading.Event()
    live = served.visitors.find(stuck.token).live
    close = live.close
    monkeypatch.setattr(live, "close", free.wait)
    try:
        assert stuck.ask(f"live/{stuck.token}/close", b"")[0] == 204
        served.visitors.sweep()
        assert other.ask(f"live/{other.token}/figures")[0] == 200
    finally:
        free.set()
        close()
    served.visitors.leave(other.token)

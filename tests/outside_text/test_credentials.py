"""Test that rtseg prints and writes no secret of an address, whatever the form of the address."""

import io
import logging
import re
import subprocess
import sys
import threading
import traceback
from pathlib import Path

import pytest
from faults.camera import Camera
from faults.mjpeg import MjpegServer
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from rtseg.cli import main  # noqa: F401  every command
from rtseg.cli.app import app
from rtseg.demos.gradio_app.sources import SourceMenu
from rtseg.errors import RtsegError, SourceError
from rtseg.sinks.igtl.sink import IgtlSink
from rtseg.sources import open_source
from rtseg.text import log_records
from rtseg.text.credentials import masked_address, remember_address, without_credentials
from rtseg.text.safe_text import json_text

pytestmark = pytest.mark.attack

SECRET = "geheim7"
HOST = "127.0.0.1:1"
FORMS = [
    f"rtsp://user:{SECRET}@{HOST}/live",
    f"RTSP://user:{SECRET}@{HOST}/live",
    f"Http://{SECRET}@{HOST}/live",
    f"rtsp://user:p@ss:{SECRET}/ord@{HOST}",
    f"rtsp://us%40er:{SECRET}%40x@{HOST}",
    f"http://user%3A{SECRET}%40{HOST}/",
    f"rtsp://user:a {SECRET} b@{HOST}/live",
    f"rtsp://user:a#{SECRET}@{HOST}/live",
    f"rtsp:user:{SECRET}@{HOST}/live",
    f"rtsp:/user:{SECRET}@{HOST}/live",
    f"http:\\\\user:{SECRET}@{HOST}",
    f"rtsp//user:{SECRET}@{HOST}/live",
    f" rtsp://user:{SECRET}@{HOST}/live",
    f"rtps://user:{SECRET}@{HOST}/live",
    f"http://{HOST}/v?password={SECRET}",
    f"http://{HOST}/v?user=a&token={SECRET}",
    f"http://{HOST}/v?key={SECRET}&x=1",
    f"http://{HOST}/v?api_key={SECRET}",
    f"http://{HOST}/v?{SECRET}",
    f"http://{HOST}/v?{SECRET}==",
    f"http://{HOST}/v?token=a#{SECRET}",
    f"http://{HOST}/v?token=a#{SECRET}=1",
    f"http://{HOST}/v;token={SECRET}",
    f"http://{HOST}/v#headers=Authorization: Basic {SECRET}",
    f"http://{HOST}/v#http_proxy=http://user:{SECRET}@proxy",
    f"https://user:{SECRET}@{HOST}/live.m3u8",
    f"rtsp://{HOST}/user=admin&password={SECRET}&channel=1.sdp",
    f"rtsp://{HOST}/user=admin_password={SECRET}_channel=1.sdp",
    f"srt://{HOST}?passphrase={SECRET}&streamid={SECRET}",
    f"rtmp://{HOST}/live/{SECRET}",
    f"tcp://user:{SECRET}@{HOST}",
    f"rtsp://user:{SECRET}@host:port/",
    f"rtsp://user:{SECRET}@[::1/",
    f"http://user:{SECRET}\N{CARE OF}@{HOST}/",
    f"igtl://user:{SECRET}@{HOST}/Image",
    f"IGTL://user:{SECRET}@{HOST}/Image",
    f"igtl://user:{SECRET}@host:port/Image",
    f"igtl://user:{SECRET}@host:99999/Image",
    f"igtl://user:{SECRET}/x@{HOST}/Image",
    f"igtl://us/er:{SECRET}@{HOST}/Image",
    f"igtl:user:{SECRET}@{HOST}/Image",
    f"igtl://user:{SECRET}@[::1/Image",
    f"igtl://{HOST}/Image?token={SECRET}",
    f"igtl://{HOST}/Image?{SECRET}",
    f"igtl://{HOST}/Image?{SECRET}&crc=off",
    f"camera:http://user:{SECRET}@{HOST}/video",
    f"camera:http://{HOST}/video?token={SECRET}",
    f"screen:rtsp://user:{SECRET}@{HOST}/",
    f"replay:rtsp://user:{SECRET}@{HOST}/",
    f"dicom:http://user:{SECRET}@{HOST}/a.dcm",
]


def rtseg(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "300"})


def said(result: Result) -> str:
    """Return the output of a command, with the traceback of an uncaught error."""
    uncaught = "".join(traceback.format_exception(result.exception)) if result.exception else ""
    return result.output + result.stderr + uncaught


@pytest.fixture(autouse=True)
def logged(caplog: pytest.LogCaptureFixture):
    """Capture every log record of rtseg, and assert that none holds the secret."""
    caplog.set_level(logging.DEBUG, "rtseg")
    yield caplog
    assert SECRET not in caplog.text


def files_under(folder: Path) -> str:
    return "".join(path.read_text(errors="replace") + path.name for path in sorted(folder.rglob("*")) if path.is_file())


@pytest.mark.parametrize("uri", FORMS)
def test_run_doctor_and_bench_do_not_tell_it(tiny: Path, tmp_path: Path, uri: str):
    out = tmp_path / "out"
    results = [
        rtseg("run", uri, "--model", tiny, "--json", tmp_path / "a.jsonl", "--record", tmp_path / "rec"),
        rtseg("doctor", "--source", uri, "--seconds", 0.5),
        rtseg("bench", "run", uri, "--model", tiny, "--frames", 10, "--out", out, "--json", tmp_path / "b.json"),
    ]
    for result in results:
        assert result.exit_code
        assert SECRET not in said(result)
    assert SECRET not in files_under(tmp_path)


@pytest.mark.parametrize("words", [["doctor"], [], ["models"], ["bench", "run", "clip:carotid"]])
def test_a_word_too_many_is_not_told(words: list[str]):
    result = rtseg(*words, FORMS[0])
    assert result.exit_code == 2
    assert SECRET not in said(result)
    assert "***@" in said(result)


def test_a_second_stream_that_fails_does_not_tell_it(tiny: Path):
    result = rtseg("run", "synthetic:vessel?frames=3", FORMS[0], "--model", tiny)
    assert result.exit_code == 1
    assert SECRET not in said(result)
    assert "***@" in said(result)


@pytest.mark.parametrize("uri", FORMS)
def test_the_error_holds_it_nowhere(uri: str):
    with pytest.raises((RtsegError, OSError)) as raised:
        open_source(uri)
    error: BaseException | None = raised.value
    assert SECRET not in str(error) + repr(error) + repr(error.args)


@pytest.mark.parametrize("uri", FORMS)
def test_neither_shown_nor_within_a_sentence(uri: str):
    remember_address(uri)
    assert SECRET not in masked_address(uri)
    sentences = f"[tcp @ 0x1] '{uri}': Connection refused", f"({uri}) is lost; {uri}.", f'{{"uri": "{uri}"}}'
    for sentence in sentences:
        assert SECRET not in without_credentials(sentence)
        assert SECRET not in str(SourceError(sentence))
        assert SECRET not in json_text({"source": sentence, sentence: 1})
    assert masked_address(masked_address(uri)) == masked_address(uri)


@given(
    st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_categories=("Cc", "Zs")), max_size=12),
    st.sampled_from(["rtsp", "HTTP", "https", "igtl", "srt", "tcp", "rtsps", "x-own"]),
)
def test_no_password_is_shown(around: str, scheme: str):
    password = f"{around}{SECRET}{around}"
    uri = f"{scheme}://user:{password}@probe:554/live"
    assert SECRET not in masked_address(uri)
    assert SECRET not in without_credentials(f"{uri} is lost")
    assert "probe:554/live" in masked_address(uri)


@given(st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_characters="#&", exclude_categories=("Cc", "Zs"))))
def test_no_value_of_a_query_is_shown(around: str):
    uri = f"http://probe/live?user=a&token={around}{SECRET}{around}&x=1"
    assert SECRET not in masked_address(uri)
    assert SECRET not in without_credentials(f"'{uri}': it is lost")


@pytest.mark.parametrize(
    "text",
    [
        "/data/a@b.mkv is empty: give another",
        "/data//a@b.mkv",
        "C:\\scans\\a@b.mp4",
        "clip:carotid through carotid",
        "synthetic:vessel?height=480&width=640&seed=3",
        "use TCP (rtsp_transport=tcp), or rtsp://probe/live#rtsp_transport=udp",
        "igtl://127.0.0.1:18944/Image cannot be reached (Connection refused): start its server, and check host and port",
        "udp://@:5000 is lost: no frame for 5.0 s",
        "add ?crc=off, timeout=5, or a=b; see https://example.org/a/b.html, and write to a@b.org",
        "`ffmpeg -i srt://HOST:PORT -c copy -f mpegts - | rtseg run -`",
        "",
    ],
)
def test_what_holds_no_secret_stays_as_it_is(text: str):
    assert without_credentials(text) == text
    assert str(SourceError(text)) == text


def test_a_stream_that_plays_does_not_tell_it(tiny: Path, tmp_path: Path):
    camera = Camera("jpeg", fps=30)
    server = MjpegServer(camera)
    uri = f"{server.url.replace('//', f'//user:{SECRET}@')}?token={SECRET}"
    deadline = threading.Timer(60, server.close)
    deadline.start()
    try:
        watched = rtseg("doctor", "--source", uri, "--seconds", 1)
        looped = rtseg("bench", "loop", uri, "--model", tiny, "--frames", 10, "--json", tmp_path / "loop.json")
        options = "--json", tmp_path / "a.jsonl", "--record", tmp_path / "rec", "--warmup", 0
        server.close()
        played = rtseg("run", uri, "--model", tiny, *options)
    finally:
        deadline.cancel()
        server.close()
        camera.close()
    assert watched.exit_code == 0, said(watched)
    assert "http://***@127.0.0.1" in said(watched)
    for result in (watched, looped, played):
        assert SECRET not in said(result)
    assert SECRET not in files_under(tmp_path)


def test_the_record_of_a_log_holds_neither_it_nor_its_traceback(caplog: pytest.LogCaptureFixture):
    log = log_records.get_logger("rtseg.some.part")
    try:
        raise OSError(5, "Input/output error", FORMS[0])
    except OSError as error:
        log.exception("%s broke: %s", FORMS[0], error)
    assert SECRET not in caplog.text
    assert "Traceback" in caplog.text
    assert re.search(r"rtsp://\*\*\*@127.0.0.1:1/live broke", caplog.text)


def test_the_demo_offers_an_address_without_it():
    sources = SourceMenu([FORMS[0], f"rtsp://other:{SECRET}@{HOST}/live", "clip:carotid"])
    assert SECRET not in "".join(sources.titles)
    assert len(set(sources.titles) & {title for title in sources.titles if title.startswith("rtsp")}) == 2
    opened = [sources.opener(title) for title in sources.titles if title.startswith("rtsp")]
    for play in opened:
        with pytest.raises(SourceError) as refused:
            play()
        assert SECRET not in str(refused.value)


def test_a_place_to_serve_at_is_not_told_with_it():
    with pytest.raises(RtsegError) as refused:
        IgtlSink(f"igtl://user:{SECRET}@host:99999")
    assert SECRET not in str(refused.value)


UNCAUGHT = {
    "in a thread": "threading.Thread(target=broken).start()",
    "in a destructor": "type('Broken', (), {'__del__': lambda self: broken()})()",
    "in the main thread": "broken()",
}


@pytest.mark.parametrize("way", UNCAUGHT.values(), ids=UNCAUGHT)
@pytest.mark.parametrize("form", [FORMS[0], f"http://{HOST}/v?token={SECRET}"])
def test_no_uncaught_traceback_holds_it(way: str, form: str):
    script = f"""
import threading
from rtseg.cli.standard_streams import prepare_streams
prepare_streams()
def broken():
    raise ValueError("cannot open " + bytes.fromhex({form.encode().hex()!r}).decode() + chr(27))
{way}
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert "ValueError: cannot open" in done.stderr
    assert SECRET not in done.stderr
    assert "\x1b" not in done.stderr


def test_a_thread_that_exits_is_no_error():
    script = "import sys, threading; from rtseg.cli.standard_streams import prepare_streams; prepare_streams(); "
    command = [sys.executable, "-c", script + "threading.Thread(target=sys.exit).start()"]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.fixture
def servers_loggers(monkeypatch: pytest.MonkeyPatch):
    """Take the filters off the loggers of the demo's server, which another test may have added."""
    for name in ("uvicorn", "uvicorn.access", "uvicorn.asgi", "uvicorn.error", "asyncio"):
        monkeypatch.setattr(logging.getLogger(name), "filters", [])


TARGETS = [f"/live/x?token={SECRET}", f"/live/{SECRET}0123456789abcdefghijklmnopqr/video", f"/u:{SECRET}@x/"]


@pytest.mark.parametrize("target", TARGETS)
def test_the_servers_access_log_does_not_hold_it(servers_loggers: None, monkeypatch: pytest.MonkeyPatch, target: str):
    formatter = pytest.importorskip("uvicorn.logging", reason="the demo needs uvicorn").AccessFormatter
    log, stream = logging.getLogger("uvicorn.access"), io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter("%(client_addr)s %(request_line)s %(status_code)s", use_colors=False))
    monkeypatch.setattr(log, "handlers", [handler])
    monkeypatch.setattr(log, "level", logging.INFO)
    for install in (lambda: None, log_records.redact_server_records):
        install()
        log.info('%s - "%s %s HTTP/%s" %d', "127.0.0.1:5", "GET", target, "1.1", 200)
    lines = stream.getvalue().splitlines()
    assert SECRET in lines[0], "without the demo's server, records of others are left as they are"
    assert SECRET not in lines[1]
    assert lines[1].startswith("127.0.0.1:5 GET ")
    assert lines[1].endswith(" HTTP/1.1 200 OK")


@pytest.mark.parametrize("name", ["uvicorn", "uvicorn.error", "uvicorn.asgi", "asyncio"])
def test_an_error_of_the_server_does_not_hold_it(servers_loggers: None, caplog: pytest.LogCaptureFixture, name: str):
    log_records.redact_server_records()
    try:
        raise SourceError("cannot open " + FORMS[0])
    except SourceError as error:
        logging.getLogger(name).error("Exception in ASGI application at %s\n", FORMS[0], exc_info=error)
    assert "cannot open" in caplog.text
    assert SECRET not in caplog.text

"""Test that names of files, classes and models act as text: not as markup, terminal controls, HTML or formulas."""

import csv
import io
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import networks
import pytest
import results
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table
from rich.text import Text

from rtseg.bench.line.write import as_html, as_markdown, write_report
from rtseg.cli.terminal import SafeConsole, progress_bar
from rtseg.demos.gradio_app.scan import ScanRow, _write_csv
from rtseg.errors import ModelError
from rtseg.frame import Life
from rtseg.igtl import Message, pack
from rtseg.igtl.text import write_string
from rtseg.measure.region import measure
from rtseg.overlay import Overlay
from rtseg.sinks.jsonl import JsonSink
from rtseg.sinks.view.live_stats import LiveStats
from rtseg.text.safe_text import json_text, printable, safe_text

pytestmark = pytest.mark.attack

SYNTHETIC = "synthetic:vessel?height=64&width=96&frames=12&fps=200"
HOSTILE = [
    "x[/nope]",
    "[red]",
    "[link=file:///etc/passwd]x[/link]",
    ":smiley:",
    "\x1b[31mred\x1b]0;title\x07",
    "\x9b31mred",
    "two\nlines\rover",
    "\u202egnp.exe",
    "\u2066a\u2028b",
    "\udcff\udcfe",
    "<script>alert(1)</script>",
    "'\"><img src=x onerror=alert(1)>",
    "a|b](http://x) `c`",
    "=cmd|' /C calc'!A0",
]
SHOWN = HOSTILE[3:4] + HOSTILE[10:]  # the names that a model may have: they neither control a terminal nor are markup
CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029\ud800-\udfff]")


def rtseg(*arguments: str | bytes, **environment: str) -> "subprocess.CompletedProcess[bytes]":
    """Run the command as a process, and capture the bytes that it prints."""
    command = [sys.executable, "-m", "rtseg.cli", *arguments]
    with_width = os.environ | {"COLUMNS": "300"} | environment
    return subprocess.run(command, capture_output=True, timeout=120, env=with_width, check=False)


def plain(done: "subprocess.CompletedProcess[bytes]") -> str:
    """Return the output, and assert that it is UTF-8 without control characters."""
    text = (done.stdout + done.stderr).decode()
    assert not CONTROLS.search(text)
    assert "Traceback" not in text
    return text


def joined(text: str) -> str:
    return "".join(text.split())


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "film.mkv"
    from rtseg.demos.phantom_clip import write_clip

    write_clip(str(path), SYNTHETIC)
    return path


@pytest.mark.parametrize("name", [b"x[nope].mkv", b"x[/nope].mkv", b"\xff.mkv", b"\x1b[31m[red].mkv", "\u202evkm.mkv".encode()])
def test_a_file_of_any_name_is_played_and_told(tiny: Path, film: Path, tmp_path: Path, name: bytes):
    source = os.fsencode(tmp_path) + b"/" + name.replace(b"/", b"[")
    Path(os.fsdecode(source)).write_bytes(film.read_bytes())
    json_path, record = source + b".jsonl", source + b".rec"
    options = "--warmup", "0", "--sector", "off", "--json", json_path, "--record", record, "--out", source + b".mp4"
    done = rtseg("run", source, "--model", str(tiny), *options)
    assert done.returncode == 0, done.stderr
    said = plain(done)
    assert joined(f"{safe_text(os.fsdecode(source))} through tiny") in joined(said)  # a table wraps its title
    assert f"wrote {safe_text(os.fsdecode(source))}.jsonl" in said
    for line in Path(os.fsdecode(json_path)).read_text().splitlines():
        json.loads(line)


@pytest.mark.parametrize("name", [b"x[/nope].mkv", b"\xff.mkv", b"\x1b[31m.mkv", b"a\nb.mkv"])
def test_a_file_that_is_not_there_is_told_in_one_line(tmp_path: Path, name: bytes):
    done = rtseg("run", os.fsencode(tmp_path) + b"/" + name)
    assert done.returncode == 1
    assert plain(done).strip().count("\n") == 0


def test_a_terminal_of_few_letters_ends_no_run(tiny: Path, film: Path, tmp_path: Path):
    source = tmp_path / "größe.mkv"
    source.write_bytes(film.read_bytes())
    done = rtseg("run", str(source), "--model", str(tiny), "--warmup", "0", PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert b"gr\\xf6" in done.stdout.replace(b"\n", b"")


@pytest.mark.parametrize("name", [name for name in HOSTILE if name not in SHOWN])
def test_a_model_whose_name_controls_a_terminal_or_is_markup_is_refused(name: str):
    with pytest.raises(ModelError) as refused:
        networks.spec(name=name)
    assert not CONTROLS.search(str(refused.value))
    with pytest.raises(ModelError, match="classes"):
        networks.spec(classes=(name,))


@pytest.mark.parametrize("name", [*SHOWN, "layer [0]", "[ICA] near wall"])
def test_a_class_and_a_model_of_any_name(tmp_path: Path, name: str):
    model = networks.recurrent(tmp_path / "tiny.onnx", networks.spec(name=name, classes=(name,)))
    lines, out = tmp_path / "a.jsonl", tmp_path / "report"
    ran = rtseg(
        "run", SYNTHETIC, "--model", str(model), "--warmup", "0", "--json", str(lines), "--out", str(tmp_path / "a.mp4")
    )
    assert ran.returncode == 0, ran.stderr
    assert joined(f"through {safe_text(name)}") in joined(plain(ran))
    benched = rtseg("bench", "run", SYNTHETIC, "--model", str(model), "--frames", "10", "--rounds", "1", "--out", str(out))
    assert benched.returncode == 0, benched.stderr
    plain(benched)
    for text in (*lines.read_text().splitlines(), (out / "report.json").read_text()):
        json.dumps(json.loads(text), ensure_ascii=False).encode()
    tags = _TagParser()
    tags.feed((out / "report.html").read_text())
    assert not tags.found & {"script", "img", "a"}
    assert not CONTROLS.search((out / "report.md").read_text())


def test_bench_page_and_markdown_hold_no_tag(tmp_path: Path):
    report = _report("<script>alert(1)</script>", "a|b ![x](http://x/y) <img src=x>")
    page, markdown = as_html(report), as_markdown(report)
    tags = _TagParser()
    tags.feed(page)
    assert not tags.found & {"script", "img", "a"}
    assert not re.search(r"(?<!\\)<(script|img)", markdown)
    assert not re.search(r"(?<!\\)!?\[x(?<!\\)\]\(", markdown)
    written = write_report(_report("a\udcff\x1b[0m", "rtsp://u:geheim@h/x"), tmp_path)
    for path in written:
        text = path.read_text()
        assert "geheim" not in text
        assert "\x1b" not in text
        assert "\\udcff" not in text


@given(st.text(st.characters(exclude_categories=())))
def test_whatever_is_printed_is_text(name: str):
    console = SafeConsole(file=io.StringIO(), width=4000, force_terminal=True, color_system=None)
    console.print(f"wrote {name}", style="red")
    table = Table(name, title=name, caption=name)
    table.add_row(name, style="red")
    console.print(table)
    console.print(Text(name))
    with console.status(name) as status:
        status.update(name)
    with progress_bar(console) as bar:
        bar.add_task(name, total=2)
    text = re.sub(r"\x1b\[(\?25[lh]|2K|\d*A|1G)|\r", "", console.file.getvalue())  # rich's own control sequences
    assert not CONTROLS.search(text)
    text.encode()


@pytest.mark.parametrize("name", HOSTILE)
def test_markup_is_shown_as_it_is_written(name: str):
    console = SafeConsole(file=io.StringIO(), width=4000)
    with console.capture() as caught:
        console.print(name)
        table = Table(box=None, show_header=False)
        table.add_row(name)
        console.print(table)
    assert caught.get().count(printable(name).splitlines()[0].strip()) >= 2


@given(st.text(st.characters(exclude_categories=())))
def test_json_is_valid_for_every_reader(name: str):
    text = json_text({name: [name, (name, 1.5, None)]})
    json.loads(text)
    json.dumps(json.loads(text), ensure_ascii=False).encode()


@pytest.mark.parametrize("name", HOSTILE)
def test_sinks_take_every_name(tmp_path: Path, name: str):
    result = results.result(classes=(name,), reason=name)
    Overlay().draw(result)
    figures = LiveStats()
    figures.open(results.stream())
    figures.add(result)
    json.dumps(figures.snapshot(), ensure_ascii=False).encode()
    sink = JsonSink(tmp_path / "a.jsonl", name)
    sink.open(results.stream())
    sink.write(result)
    sink.close()
    for line in (tmp_path / "a.jsonl").read_text().splitlines():
        json.dumps(json.loads(line), ensure_ascii=False).encode()
    list(pack(Message("STRING", name, 0, write_string(name))))


@pytest.mark.parametrize("name", [*HOSTILE, "+1", "-1", "@x", " =1"])
def test_a_table_holds_no_formula_and_no_control(tmp_path: Path, name: str):
    result = results.result(classes=(name,), reason=name)
    _write_csv(tmp_path / "a.csv", [ScanRow(0, 0.0, Life.LIVE, name, measure(result.segmentation))])
    content = (tmp_path / "a.csv").read_bytes().decode()
    assert not CONTROLS.search(content.replace("\r\n", "\n"))
    (row,) = csv.DictReader(io.StringIO(content))
    assert not row["class"].lstrip().startswith(("=", "+", "-", "@"))
    assert not row["reason"].lstrip().startswith(("=", "+", "-", "@"))


def _report(model: str, source: str) -> dict[str, object]:
    network = {"engine": "openvino", "precision": "fp32", "states": {}}
    stream = {"width": 1, "height": 1, "fps": 25.0, "pixel_format": "grey, uint8"}
    return {
        "model": model,
        "source": source,
        "network": network,
        "stream": stream,
        "quick": False,
        "clock": "",
        "machine": {"processor": model},
        "steadied_in_time": "not",
        "engine_alone_fps": [],
        "line_fps": [],
        "line_over_engine": 1.0,
    }


class _TagParser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.found.add(tag)

"""Test reports that a browser prints: with the one that is installed, and with some that are missing, fail or hang."""

import shutil
import stat
import sys

import pytest
import results

from rtseg.errors import SinkError
from rtseg.sinks.report import ReportSink
from rtseg.sinks.report.pdf import BROWSERS, find_browser, print_pdf

PAGE = b"<!doctype html><html><body><h1>Scan report</h1></body></html>"


@pytest.fixture
def browser(tmp_path, monkeypatch):
    """Make Python code the only browser on the PATH."""

    def make(code):
        folder = tmp_path / "bin"
        folder.mkdir()
        file = folder / "chromium"
        target = "target = [a[15:] for a in sys.argv if a.startswith('--print-to-pdf=')][0]"
        file.write_text(f"#!{sys.executable}\nimport sys\n{target}\n{code}\n")
        file.chmod(0o700)
        monkeypatch.setenv("PATH", str(folder))

    return make


def write_report(path):
    sink = ReportSink(path)
    sink.open(results.stream())
    sink.write(results.result())
    sink.close()


def test_the_browser_prints_the_page_into_a_private_file(tmp_path, browser):
    browser("open(target, 'wb').write(b'%PDF-1.7 ' + open(sys.argv[-1][7:], 'rb').read())")
    write_report(tmp_path / "scan.pdf")
    pdf = (tmp_path / "scan.pdf").read_bytes()
    assert pdf.startswith(b"%PDF")
    assert b"Scan report" in pdf
    assert stat.S_IMODE((tmp_path / "scan.pdf").stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bin", "scan.pdf"]


def test_without_a_browser_it_is_refused_before_the_stream(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SinkError, match=r"none is installed: install one, or write --report scan\.html"):
        ReportSink(tmp_path / "scan.pdf").open(results.stream())
    assert not list(tmp_path.iterdir())
    write_report(tmp_path / "scan.html")


@pytest.mark.parametrize("code", ["sys.exit(1)", "pass", "open(target, 'wb').write(b'nothing')"])
def test_a_browser_that_fails_leaves_the_page(tmp_path, browser, code):
    browser(code)
    with pytest.raises(SinkError, match=r"printed .*PDF.*: the report is in .*scan\.html"):
        write_report(tmp_path / "scan.pdf")
    assert "Scan report" in (tmp_path / "scan.html").read_text()
    assert not (tmp_path / "scan.pdf").exists()


def test_a_browser_that_hangs_is_ended(tmp_path, browser):
    browser("import time\ntime.sleep(600)")
    with pytest.raises(SinkError, match=r"printed no PDF in 0\.5 s"):
        print_pdf(PAGE, tmp_path, find_browser(), timeout_s=0.5)


@pytest.mark.skipif(not any(map(shutil.which, BROWSERS)), reason="no browser is installed")
def test_a_real_browser_prints(tmp_path):
    assert print_pdf(PAGE, tmp_path, find_browser())[:4] == b"%PDF"
    assert not list(tmp_path.iterdir())

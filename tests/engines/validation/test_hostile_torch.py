"""Tests hostile torch files: loading refuses non-finite weights and networks that run forever."""

import time
import zipfile
from pathlib import Path

import networks
import pytest
import torch
from torch import Tensor, nn

from rtseg.engines.convert.third_party import load_third_party_network
from rtseg.engines.torch import TorchEngine, load_script, read_script
from rtseg.engines.validation import examination
from rtseg.engines.validation.examination import TrialLimits, examine
from rtseg.errors import ModelError

pytestmark = [pytest.mark.attack, pytest.mark.filterwarnings("ignore::DeprecationWarning")]  # TorchScript is
SPEC = networks.spec(states=())


@pytest.fixture(autouse=True)
def untrusted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(examination.TRUST, "0")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def convolution(value: float = 0.5) -> nn.Conv2d:
    network = nn.Conv2d(1, 1, 1)
    nn.init.constant_(network.weight, value)
    return network


class EndlessScript(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        while x.shape[0] > 0:
            x = x + 1
        return x


class Masking(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mask", torch.full((1,), -torch.inf))

    def forward(self, x: Tensor) -> Tensor:
        return torch.maximum(x, self.mask)


def scripted(network: nn.Module, path: Path) -> Path:
    torch.jit.script(network).save(str(path))
    return path


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_weights_that_are_no_numbers_are_refused(tmp_path: Path, value: float) -> None:
    with pytest.raises(ModelError, match="'tiny' has NaN or infinity in its weights 'weight': train it again"):
        TorchEngine(convolution(value), SPEC)
    with pytest.raises(ModelError, match=r"bad\.pt has NaN or infinity in its weights 'weight'"):
        load_script(scripted(convolution(value), tmp_path / "bad.pt"), SPEC, trusted=True)
    (tmp_path / "factory_of_ours.py").write_text("from torch import nn\ndef build(): return nn.Conv2d(1, 1, 1)\n")
    torch.save(convolution(value).state_dict(), tmp_path / "weights.pt")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        with pytest.raises(ModelError, match=r"weights\.pt has NaN or infinity in its weights"):
            load_third_party_network(tmp_path / "weights.pt", "factory_of_ours:build", trusted=True)


def test_a_mask_of_minus_infinity_is_no_weight(tmp_path: Path) -> None:
    path = scripted(Masking(), tmp_path / "mask.pt")
    TorchEngine(load_script(path, SPEC, trusted=True), SPEC).close()


def test_a_script_that_runs_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TrialLimits, "of", classmethod(lambda cls, *_: TrialLimits(12, 90, 2_000_000_000)))
    path = scripted(EndlessScript(), tmp_path / "endless.pt")
    started = time.monotonic()
    with pytest.raises(ModelError, match="--trust-model"):
        load_script(path, SPEC)
    assert time.monotonic() - started < 90
    with pytest.raises(ModelError, match="--trust-model"):
        load_third_party_network(path, spec=SPEC)


def test_good_files_pass_and_are_tried_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = scripted(convolution(), tmp_path / "good.pt")
    torch.save(convolution().state_dict(), tmp_path / "weights.pt")
    load_script(path, SPEC)
    examine(tmp_path / "weights.pt", "weights")
    monkeypatch.setattr(examination, "_run_child", lambda *_: pytest.fail("it was examined again"))
    load_script(path, SPEC)
    examine(tmp_path / "weights.pt", "weights")


def test_weights_that_inflate_into_gigabytes_are_refused(tmp_path: Path) -> None:
    """A torch file is an archive whose compressed records may be a thousandth of their size in memory."""
    small, bomb = tmp_path / "small.pt", tmp_path / "bomb.pt"
    torch.save({"weight": torch.zeros(1 << 20)}, small)
    n_bytes = 3 << 30
    with zipfile.ZipFile(small) as source, zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as target:
        for entry in source.infolist():
            if not entry.filename.endswith("data/0"):
                target.writestr(entry.filename, source.read(entry))
                continue
            with target.open(entry.filename, "w", force_zip64=True) as record:
                for _ in range(n_bytes >> 22):
                    record.write(bytes(1 << 22))
    assert bomb.stat().st_size < 8_000_000
    with pytest.raises(ModelError):
        examine(bomb, "weights")


def test_a_script_that_is_none_is_told_as_before(tmp_path: Path) -> None:
    (tmp_path / "words.pt").write_bytes(b"not a network")
    with pytest.raises(ModelError, match="is no TorchScript network"):
        load_script(tmp_path / "words.pt")
    with pytest.raises(ModelError, match="is no TorchScript network"):
        read_script(tmp_path / "absent.pt")

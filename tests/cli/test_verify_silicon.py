"""`emu verify silicon`: its table, its exit codes, what it says of instructions that are not here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from emu.cli.main import run
from emu.verify.silicon import live, recorded, targets
from emu.verify.silicon.probes import State


@pytest.fixture
def nothing_here(monkeypatch):
    """A processor without any of the instructions."""
    monkeypatch.setattr(targets, "state", lambda _: State.NO_OS)


@pytest.fixture
def a_processor(monkeypatch):
    """One that does what emu computes."""
    monkeypatch.setattr(targets, "state", lambda _: State.AVAILABLE)

    def run_expanded(target, _probe, _mode, operands):
        a, b, *c = operands
        products = a.astype(np.int64) * b.astype(np.int8)
        total = products.sum(axis=-1) + (c[0].view(np.int32) if c else 0)
        return total.astype(target.result.code_dtype)

    monkeypatch.setattr(live, "run_expanded", run_expanded)


def test_this_processor(capsys):
    assert run(["verify", "silicon", "--patterns", "20000", "--only", "vp*", "--only", "vfmadd231*"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("processor: ")
    assert " 0 mismatches, 0 errors" in out
    for name in ("vpdpbusd", "vpmaddwd", "vfmadd231ps"):
        (line,) = (line for line in out.splitlines() if line.split()[0] == name)
        assert "live: " in line or "recorded: " in line


@pytest.mark.usefixtures("a_processor")
def test_live(capsys):
    assert run(["verify", "silicon", "--patterns", "1", "--only", "vpdpbusd"]) == 0
    line = capsys.readouterr().out.splitlines()[2]
    assert line.split()[:7] == ["vpdpbusd", "intel-avx512:vpdpbusd", "live:", "EVEX,", "VEX", "1", "390,625"]


@pytest.mark.usefixtures("a_processor")
def test_a_mismatch_is_exit_code_3_and_is_shown(capsys):
    assert run(["verify", "silicon", "--patterns", "1", "--only", "vpdpbusds"]) == 3  # which does not wrap
    out = capsys.readouterr().out
    assert "vpdpbusds (VPDPBUSDS mode 0 c) of " in out
    assert "emu 0x7fffffff, silicon 0x8" in out
    assert "(value)" in out


@pytest.mark.usefixtures("nothing_here")
@pytest.mark.parametrize("installed", [True, False])
def test_recorded_vectors(capsys, monkeypatch, tmp_path, installed):
    """Found from the checkout that the package stands in, and from the one that the user stands in."""
    root = Path(__file__).parents[2]
    monkeypatch.setattr(recorded, "CHECKOUT", tmp_path if installed else root)
    monkeypatch.chdir(root if installed else tmp_path)
    arguments = ["verify", "silicon", "--only", "tdpbuud", "--only", "vfmadd231ph.toward_zero"]
    assert run(arguments) == 0
    out = capsys.readouterr().out
    assert out.count("recorded: not let by the operating system") == 2
    assert "here: none; absent: amx_int8, avx512_fp16" in out


@pytest.mark.usefixtures("nothing_here")
def test_absent_and_nothing_recorded(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(recorded, "CHECKOUT", tmp_path / "not here")
    monkeypatch.chdir(tmp_path)
    assert run(["verify", "silicon", "--only", "tdpb*"]) == 1
    out = capsys.readouterr().out
    assert out.count("absent, not checked: not let by the operating system") == 5
    assert "nothing was checked" in out


@pytest.mark.usefixtures("nothing_here")
def test_broken_recordings(capsys, tmp_path):
    assert run(["verify", "silicon", "--only", "tdpbssd", "--vectors", str(tmp_path)]) == 1
    assert "no recorded vectors" in capsys.readouterr().err
    (tmp_path / "manifest.json").write_text("[", encoding="utf-8")
    assert run(["verify", "silicon", "--only", "tdpbssd", "--vectors", str(tmp_path)]) == 1
    assert "is no JSON" in capsys.readouterr().err
    row = '{"file": "x.npz", "key": "0", "nan": "exact", "unit": "intel-amx:tdpbssd"}'
    (tmp_path / "manifest.json").unlink()
    (tmp_path / "index.json").write_text(f"[{row}]", encoding="utf-8")
    assert run(["verify", "silicon", "--only", "tdpbssd", "--vectors", str(tmp_path)]) == 1
    assert "error: tdpbssd on c, x.npz" in capsys.readouterr().out


def test_no_such_instruction(capsys):
    assert run(["verify", "silicon", "--only", "vmovaps"]) == 1
    assert "no such instruction" in capsys.readouterr().err

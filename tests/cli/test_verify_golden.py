"""`emu verify golden`: what it prints, and its exit codes."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from emu.cli.main import run
from tests.golden.recordings import HERE
from tests.verify import golden_sets as sets


def golden(capsys, *arguments):
    code = run(["verify", "golden", *map(str, arguments)])
    taken = capsys.readouterr()
    return code, taken.out


@pytest.fixture
def folder(tmp_path):
    return sets.mma(tmp_path / "set")


def test_the_recorded_sample_proves_itself(capsys):
    results = 0
    for path in HERE.glob("*.npz"):
        with np.load(path) as arrays:
            results += sum(arrays[name].size for name in arrays.files if name.endswith(".d"))
    code, out = golden(capsys, HERE)
    assert code == 0
    assert f"{results:,} outputs, 0 mismatches, 0 errors" in out
    assert "762 of 762 recorded results, all problems" in out
    assert "testfloat: not replayed by this command" in out and "emu verify formats --vectors" in out


@pytest.mark.usefixtures("folder")
def test_a_folder_of_folders(tmp_path, capsys):
    sets.silicon(tmp_path / "silicon")
    for name in ("testfloat", "other", ".hidden"):
        (tmp_path / name).mkdir()
    (tmp_path / "testfloat" / "f16_mulAdd.npz").touch()
    code, out = golden(capsys, tmp_path)
    assert code == 0
    assert "architecture  backend" in out and "instruction  backend" in out
    assert "testfloat: not replayed by this command" in out and "emu verify formats --vectors" in out
    assert "other: not replayed by this command" in out
    assert "hidden" not in out
    assert "not replayed: vrcpph (vrcpph_vrsqrtph.npz): no model" in out
    assert ["vrcpph", "no", "model"] in [line.split() for line in out.splitlines()]


def test_a_mismatch_is_shown_and_is_exit_code_3(folder, capsys):
    sets.edit(folder, lambda x: x["instructions"][0]["files"]["kstep"].update(content_sha256=None))
    with np.load(folder / "a.npz") as loaded:
        arrays = {name: loaded[name] for name in loaded.files}
    arrays["d_bits"] ^= np.uint32(1)
    np.savez(folder / "a.npz", **arrays)
    code, out = golden(capsys, folder)
    assert code == 3
    assert f"{sets.FAMILY}:{sets.UNIT} a.npz [9, 0, 0]: 0x" in out
    assert out.count("expected 0x") == 10
    assert "40 outputs, 40 mismatches, 0 errors" in out


def test_a_changed_unit_is_exit_code_3(folder, capsys):
    arrays = sets.record(f"{sets.FAMILY}:{sets.UNIT}")
    sets.mma(folder, arrays, unit=sets.unit_file(folder, "align_bits = 23", "align_bits = 21"))
    assert golden(capsys, folder)[0] == 3


def test_an_error_is_exit_code_1_and_a_difference_is_more(tmp_path, folder, capsys):
    (folder / "a.npz").unlink()
    code, out = golden(capsys, tmp_path)
    assert code == 1
    assert "error: nvidia-volta:mma.sync.m8n8k4.f32.f16.f16.f32 on c, a.npz: " in out
    assert (
        "Volta         c            0        0      0          0                 0              0         0       1"
        in out
    )
    assert "0 outputs, 0 mismatches, 1 errors" in out
    wrong = {name: x[:1] for name, x in sets.record(f"{sets.FAMILY}:{sets.UNIT}").items()}
    sets.mma(tmp_path / "wrong", {**wrong, "d": wrong["d"] ^ np.uint32(1)})
    assert golden(capsys, tmp_path)[0] == 3


@pytest.mark.usefixtures("folder")
def test_one_broken_folder_does_not_hide_in_others(tmp_path, capsys):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "manifest.json").write_text("{")
    code, out = golden(capsys, tmp_path)
    assert code == 1
    assert "error: broken: " in out and "is no JSON" in out
    assert "40 outputs, 0 mismatches, 1 errors" in out


@pytest.mark.parametrize("only", [(), ("--only", "nvidia-turing:*")])
def test_nothing_replayed_is_a_failure(tmp_path, folder, only, capsys):
    if not only:
        shutil.rmtree(folder)
    code, out = golden(capsys, tmp_path, *only)
    assert code == 1
    assert "error: nothing was replayed" in out


def test_only_and_sample_and_backends(capsys):
    arguments = ["--only", "vadd*.toward_zero", "--only", "intel-amx:tdpbssd", "--sample", "7"]
    code, out = golden(capsys, HERE, *arguments, "--backend", "numba", "--backend", "reference", "--backend", "numba")
    assert code == 0
    assert "3 of 762 recorded results, at most 7 problems of each file" in out
    assert [line.split()[:4] for line in out.splitlines() if line.startswith("vaddph")] == [
        ["vaddph", "numba", "1", "7"], ["vaddph", "reference", "1", "7"],
    ]  # fmt: skip


def test_what_a_backend_lacks_is_no_failure_but_is_said(capsys):
    code, out = golden(capsys, HERE, "--only", "v*ph.toward_zero", "--backend", "numba", "--sample", "5")
    assert code == 0
    assert "not replayed: vdivph on numba: this backend does not have the operation" in out
    assert golden(capsys, HERE, "--only", "vdivph*", "--backend", "numba")[0] == 1


def test_names_from_files_cannot_move_the_cursor(folder, capsys):
    sets.edit(folder, lambda x: x["instructions"][0].update(arch="\x1b[2Jevil", unit="\x1b[1mno"))
    code, out = golden(capsys, folder)
    assert code == 1 and "\x1b" not in out and "?[2Jevil" in out


def test_wrong_usage(tmp_path, folder):
    assert run(["verify", "golden", str(tmp_path / "no")]) == 2
    assert run(["verify", "golden", str(folder), "--sample", "0"]) == 2
    assert run(["verify", "golden", str(folder), "--backend", "gpu"]) == 2

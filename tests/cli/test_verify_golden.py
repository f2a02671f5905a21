"""`emu verify golden`: what it prints, and its exit codes."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from emu.cli.main import run
from emu.spec import spec_root
from emu.verify.instructions import instructions
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
    for path in (HERE / "testfloat").glob("*.npz"):
        with np.load(path) as arrays:
            meta = json.loads(str(arrays["meta"]))
            both = [2 if tininess == "any" else 1 for tininess in meta["tininess"]]  # rules that give the same
            results += arrays["out"].size * sum(both) * len(meta["exact"])
    code, out = golden(capsys, HERE)
    assert code == 0
    assert f"{results:,} outputs, 0 mismatches, 0 errors" in out
    assert "764 of 764 recorded results, all problems" in out
    assert "testfloat: 47 of 47 files of TestFloat vectors, results and flags, all cases" in out


@pytest.mark.usefixtures("folder")
def test_a_folder_of_folders(tmp_path, capsys):
    sets.silicon(tmp_path / "silicon")
    for name in ("other", ".hidden"):
        (tmp_path / name).mkdir()
    code, out = golden(capsys, tmp_path)
    assert code == 0
    assert "architecture  backend" in out and "instruction  backend" in out
    assert "other: not replayed by this command" in out
    assert "hidden" not in out
    assert ["vrcpph", "c", "1", "40", "0"] in [line.split()[:5] for line in out.splitlines()]


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
    assert "3 of 764 recorded results, at most 7 problems of each file" in out
    assert [line.split()[:4] for line in out.splitlines() if line.startswith("vaddph")] == [
        ["vaddph", "numba", "1", "7"], ["vaddph", "reference", "1", "7"],
    ]  # fmt: skip


def test_what_a_backend_lacks_is_no_failure_but_is_said(capsys):
    code, out = golden(capsys, HERE, "--only", "v*ph.toward_zero", "--backend", "numba", "--sample", "5")
    assert code == 0
    assert "not replayed: vdivph on numba: this backend does not have the operation" in out
    assert golden(capsys, HERE, "--only", "vdivph*", "--backend", "numba")[0] == 1


def vectors(folder, file, **change):
    """A folder with one file of TestFloat vectors, arrays of it changed by functions."""
    folder.mkdir(exist_ok=True)
    with np.load(HERE / "testfloat" / f"{file}.npz") as loaded:
        arrays = {name: loaded[name] for name in loaded.files}
    np.savez(folder / f"{file}.npz", **{name: change.get(name, lambda x: x)(x) for name, x in arrays.items()})
    return folder


def test_testfloat_on_other_backends_and_in_part(capsys):
    arguments = ["--only", "f*_div", "--only", "f16_lt", "--sample", "9", "--backend", "c", "--backend", "reference"]
    code, out = golden(capsys, HERE / "testfloat", *arguments)
    assert code == 0
    assert "3 of 47 files of TestFloat vectors, results and flags, at most 9 cases of each file on c, " in out
    rows = [line.split() for line in out.splitlines()]
    assert [row[:4] for row in rows if row and row[-1] == "reference"] == []
    assert ["div", "f16,", "f32", "reference"] in [row[:4] for row in rows]
    assert [row[2] for row in rows if row[:1] == ["lt"]] == ["c"]  # the same on all
    code, out = golden(capsys, HERE / "testfloat", "--only", "f16_sqrt", "--backend", "numba")
    assert code == 1 and "not replayed: f16_sqrt on numba: this backend does not have the operation" in out


@pytest.mark.parametrize(
    ("change", "row"),
    [
        ({"out": lambda x: x ^ (np.arange(x.shape[1]) == 700)}, ["2", "0", "0", "0", "0", "0", "0"]),
        ({"flags": lambda x: x ^ (np.arange(x.shape[-1]) == 700)}, ["0", "0", "0", "0", "0", "2", "0"]),
    ],
)
def test_a_mismatch_with_testfloat_is_exit_code_3(tmp_path, capsys, change, row):
    change = {name: lambda x, f=f: f(x).astype(x.dtype) for name, f in change.items()}
    code, out = golden(capsys, vectors(tmp_path / "mine", "f16_to_f32", **change))
    assert code == 3 and "of " in out
    assert row == next(line.split() for line in out.splitlines() if line.startswith("cast to_f32"))[5:]
    assert out.splitlines()[-1].split(", ")[1] == "2 mismatches"


def test_broken_vectors_are_errors(tmp_path, capsys):
    folder = vectors(tmp_path / "mine", "f16_add", flags=lambda x: x[0])
    (folder / "f16_sub.npz").write_bytes(b"no archive")
    np.savez(folder / "f32_mul.npz", a=np.zeros(2, np.uint32))
    np.savez(folder / "notes.npz", a=np.zeros(2, np.uint32))
    code, out = golden(capsys, folder)
    assert code == 1
    assert "error: f16_add on c, f16_add.npz: " in out and "error: f16_sub on c, f16_sub.npz: " in out
    assert "is no file of TestFloat vectors: KeyError: 'meta'" in out
    assert "no TestFloat vectors by name, not replayed: 1 files: notes.npz" in out
    assert "0 mismatches, 3 errors" in out


def test_a_changed_table_is_exit_code_3(tmp_path, monkeypatch, capsys):
    """One entry of VRCPPH's table, one unit in its last place."""
    text = (spec_root() / "functions" / "intel-vrcpph.toml").read_text(encoding="utf-8")
    (tmp_path / "wrong.toml").write_text(text.replace("  8192, ", "  8188, "), encoding="utf-8")
    known = instructions()["vrcpph"]
    monkeypatch.setitem(instructions(), "vrcpph", replace(known, function=str(tmp_path / "wrong.toml")))
    code, out = golden(capsys, HERE, "--only", "vrcpph")
    assert code == 3 and "(value)" in out
    assert 0 < int(next(line.split() for line in out.splitlines() if line.startswith("vrcpph"))[4]) < 40


def test_names_from_files_cannot_move_the_cursor(folder, capsys):
    sets.edit(folder, lambda x: x["instructions"][0].update(arch="\x1b[2Jevil", unit="\x1b[1mno"))
    code, out = golden(capsys, folder)
    assert code == 1 and "\x1b" not in out and "?[2Jevil" in out


def test_wrong_usage(tmp_path, folder):
    assert run(["verify", "golden", str(tmp_path / "no")]) == 2
    assert run(["verify", "golden", str(folder), "--sample", "0"]) == 2
    assert run(["verify", "golden", str(folder), "--backend", "gpu"]) == 2

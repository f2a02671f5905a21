"""Recordings are untrusted: whatever is wrong is an error that names the file and the key, and never passed over."""

from __future__ import annotations

import io
import json
import zipfile

import numpy as np
import pytest

from emu.verify.golden import Folder, Skipped, folders, replay

from . import golden_sets as sets


def failures(folder):
    """What went wrong, of manifests and of entries."""
    found = folders(folder)
    errors = [x.reason for x in found if isinstance(x, Skipped) and x.failed]
    done = [x for one in found if isinstance(one, Folder) for x in replay(one.entries, ["c"])]
    assert all(x.outputs == 0 for x in done if x.error)
    return errors + [x.error for x in done if x.error]


def only(folder, *parts):
    (text,) = failures(folder)
    for part in parts:
        assert part in text, text


def first(content):
    return content["instructions"][0]


@pytest.fixture
def folder(tmp_path):
    return sets.mma(tmp_path / "set")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("{", ["is no JSON"]),
        ("", ["is no JSON"]),
        ("\xff", ["is no JSON"]),
        ("[" * 100_000, ["is nested too deeply"]),
        ("[]", ["must be an object, not list"]),
        ("{}", ["one of the keys instructions, vectors, files"]),
        ('{"files": [], "vectors": []}', ["has vectors, files"]),
        ('{"instructions": []}', ["lists nothing"]),
        ('{"vectors": {}}', ["vectors", "expected array"]),
        ('{"vectors": [{"file": "a.npz"}]}', ["vectors[0].unit", "required key is missing"]),
        ('{"vectors": [{"file": 1, "unit": "x", "arch": "y"}]}', ["vectors[0].file", "expected str"]),
        ('{"instructions": [{"unit": "x", "arch": "y", "nan": "some", "files": {}}]}', ["instructions[0].nan"]),
        ('{"instructions": [{"unit": "x", "arch": "y", "nan": "any", "files": {}}]}', ["lists nothing"]),
        ('{"files": [{"file": "vnew.npz", "arrays": {"Y": {"dtype": "uint16", "shape": [1]}}}]}', ["files[0].file"]),
        ('{"files": [{"file": "vaddph.npz", "arrays": {}}]}', ["files[0].arrays", "no result array"]),
    ],
)
def test_a_broken_manifest(folder, text, parts):
    (folder / "manifest.json").write_bytes(text.encode("latin-1"))
    only(folder, str(folder / "manifest.json"), *parts)


def test_a_manifest_that_is_huge_or_no_file(folder, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("emu.verify.golden.files.MOST_JSON", 10)
        only(folder, "manifest.json: at most 10 bytes")
    (folder / "manifest.json").unlink()
    (folder / "manifest.json").mkdir()
    only(folder, "cannot be read")


@pytest.mark.parametrize("name", ["../a.npz", "/etc/passwd", ".", "", "link.npz", "loop/x.npz", "a\0.npz"])
def test_a_file_name_may_not_leave_the_folder(folder, name):
    (folder / "a.npz").rename(folder.parent / "a.npz")
    (folder / "link.npz").symlink_to(folder.parent / "a.npz")
    (folder / "loop").symlink_to(folder / "loop")
    sets.edit(folder, lambda x: first(x)["files"]["kstep"].update(file=name))
    only(folder, "manifest.json: instructions[0].files.kstep.file: a file name may not leave the folder")


def test_a_unit_file_may_not_leave_the_folder(folder):
    sets.unit_file(folder.parent)
    sets.edit(folder, lambda x: first(x).update(unit=f"../my.toml:{sets.UNIT}"))
    only(folder, "instructions[0].unit", "may not leave the folder")


@pytest.mark.parametrize(
    ("unit", "part"),
    [
        ("nvidia-volt:x", "nvidia-volta"),
        (f"{sets.FAMILY}:x", "cannot be loaded"),
        (sets.FAMILY, "is a family"),
        ("no.toml", "cannot be loaded"),
    ],
)
def test_an_unknown_unit(folder, unit, part):
    sets.edit(folder, lambda x: first(x).update(unit=unit))
    only(folder, "manifest.json: instructions[0].unit", part)


def test_a_missing_file(folder):
    (folder / "a.npz").unlink()
    only(folder, "a.npz", "no such input file")


@pytest.mark.parametrize("damage", ["cut", "text", "empty", "flipped"])
def test_a_damaged_file(folder, damage):
    whole = (folder / "a.npz").read_bytes()
    half = len(whole) // 2
    flipped = bytes([*whole[:half], whole[half] ^ 255, *whole[half + 1 :]])
    (folder / "a.npz").write_bytes({"cut": whole[:half], "text": b"hello", "empty": b"", "flipped": flipped}[damage])
    only(folder, str(folder / "a.npz"), "is no .npz file of plain arrays")


def test_a_file_of_other_content(folder):
    with np.load(folder / "a.npz") as loaded:
        arrays = {name: loaded[name] for name in loaded.files}
    arrays["d_bits"] = arrays["d_bits"] ^ np.uint32(1)
    np.savez(folder / "a.npz", **arrays)
    only(folder, "a.npz: instructions[0].files.kstep.content_sha256", "SHA-256 differs")


def test_pickles_are_not_opened(folder):
    np.savez(folder / "a.npz", a_bits=np.array([{}], dtype=object))
    only(folder, "is no .npz file of plain arrays")


def test_a_header_that_claims_too_much(folder):
    with zipfile.ZipFile(folder / "a.npz", "w") as archive:
        head = io.BytesIO()
        np.lib.format.write_array_header_1_0(head, {"descr": "<u8", "fortran_order": False, "shape": (1 << 40,)})
        archive.writestr("a_bits.npy", head.getvalue())
    only(folder, "the header of a_bits.npy claims")


def test_too_large_a_file(folder, monkeypatch):
    from emu.replaying.limits import Limits

    monkeypatch.setattr("emu.verify.golden.files.LIMITS", Limits(inputs=100))
    only(folder, "at most 100 are allowed")


def change(arrays, name, array):
    return {key: array if key == name else x for key, x in arrays.items() if key != name or array is not None}


BROKEN = [
    (lambda x: change(x, "c", None), ["c_bits", "array is missing"]),
    (lambda x: change(x, "a", x["a"].view(np.float16)), ["a_bits", "unsigned integers, not float16"]),
    (lambda x: change(x, "a", x["a"].view(np.int16)), ["a_bits", "unsigned integers, not int16"]),
    (lambda x: change(x, "a", x["a"].astype(np.uint32) | 1 << 16), ["a.npz: a: ", "does not fit the 16 bits"]),
    (lambda x: change(x, "a", x["a"][..., :3]), ["a.npz: b: ", "must have shape [40, 3, 1]"]),
    (lambda x: change(x, "b", x["b"][:, :, 0]), ["a.npz: b: ", "three axes"]),
    (lambda x: change(x, "c", x["c"][:1]), ["c_bits", "must hold 40 problems"]),
    (lambda x: {name: array[:, :0] if name in "acd" else array for name, array in x.items()}, ["none empty"]),
    (lambda x: x | {"sa": np.zeros((sets.SMALL, 1, 1), np.uint8)}, ["a_scale", "takes no such operand"]),
]


@pytest.mark.parametrize(("broken", "parts"), BROKEN)
def test_arrays_that_do_not_fit(tmp_path, broken, parts):
    arrays = {name: x[: sets.SMALL] for name, x in sets.record(f"{sets.FAMILY}:{sets.UNIT}").items()}
    only(sets.mma(tmp_path, broken(arrays)), *parts)


def test_shapes_that_the_manifest_denies(folder):
    sets.edit(folder, lambda x: first(x)["files"]["kstep"].update(shape_d=[1, 2, 3]))
    only(folder, "a.npz: d_bits: has shape [40, 1, 1], and the manifest says [1, 2, 3]")
    sets.edit(folder, lambda x: first(x)["files"]["kstep"].update(shape_d=None, n=41))
    only(folder, "must hold 41 problems")


def test_scales_are_needed(tmp_path):
    names = [row["unit"] for row in json.loads((sets.HERE / "index.json").read_text("utf-8")) if "unit" in row]
    unit = next(name for name in names if "sa" in sets.record(name))
    arrays = sets.record(unit)
    assert failures(sets.mma(tmp_path, arrays, unit=unit)) == []
    only(sets.mma(tmp_path, {x: arrays[x] for x in "abcd"}, unit=unit), "a_scale", "needs it")
    wrong = {**arrays, "sa": np.repeat(arrays["sa"], 2, axis=2)}
    only(sets.mma(tmp_path, wrong, unit=unit), "a_scale", "must have shape")


@pytest.mark.parametrize(
    ("file", "edit", "part"),
    [
        ("vaddph.npz", lambda row: row["arrays"]["A"].update(dtype="uint32"), "A: has dtype uint16"),
        ("vaddph.npz", lambda row: row["arrays"]["Y"].update(shape=[1, 4]), "Y: has shape [40, 4]"),
        ("vaddph.npz", lambda row: row["arrays"].pop("B"), "takes 2 operands, not 1"),
        ("tile.npz", lambda row: row.update(unit="intel-amx:tdpbf17ps"), "unit cannot be loaded"),
        ("tile.npz", lambda row: row["arrays"].pop("A"), "a: array is missing"),
    ],
)
def test_silicon_rows_that_do_not_fit(tmp_path, file, edit, part):
    sets.silicon(tmp_path)
    sets.edit(tmp_path, lambda x: edit(next(row for row in x["files"] if row["file"] == file)))
    found = failures(tmp_path)
    assert found
    assert all(part in text for text in found)
    assert all(file in text or "manifest.json: files[1].unit" in text for text in found)


def test_an_array_that_nothing_replays(tmp_path):
    sets.silicon(tmp_path)
    sets.edit(tmp_path, lambda x: x["files"][0]["arrays"].update(Y_new={"dtype": "uint16", "shape": [1]}))
    only(tmp_path, "manifest.json: files[0].arrays.Y_new: nothing replays this array")


@pytest.mark.parametrize(
    ("row", "part"),
    [
        ({}, "[0]: needs either `unit` or `instruction`"),
        ({"unit": "x", "instruction": "y"}, "needs either"),
        ({"instruction": "vaddph"}, "[0].instruction: no elementwise instruction"),
        ({"instruction": "tdpbssd"}, "no elementwise instruction"),
        ({"instruction": "vsqrtph.ties_to_even"}, "needs the arrays a, d, not a, b, d"),
        ({"instruction": "vaddph.ties_to_even", "key": "9"}, "[0].key: no array has this prefix"),
    ],
)
def test_an_index_that_does_not_fit(tmp_path, row, part):
    sets.write_manifest(tmp_path, [{"file": "a.npz", "key": "0", "nan": "exact"} | row], "index.json")
    np.savez(tmp_path / "a.npz", **{f"0.{name}": x for name, x in sets.record("vaddph.ties_to_even").items()})
    only(tmp_path, part)


def test_elementwise_arrays_of_unlike_shapes(tmp_path):
    row = {"file": "a.npz", "key": "0", "nan": "exact", "instruction": "vaddph.ties_to_even"}
    sets.write_manifest(tmp_path, [row], "index.json")
    arrays = {f"0.{name}": x for name, x in sets.record("vaddph.ties_to_even").items()}
    np.savez(tmp_path / "a.npz", **arrays | {"0.b": arrays["0.b"][:1]})
    only(tmp_path, "b: must have one shape [n]")
    np.savez(tmp_path / "a.npz", **{name: np.array(7, np.uint16) for name in arrays})
    only(tmp_path, "must have one shape [n]")


def test_what_is_not_listed_is_named(folder):
    np.savez(folder / "more.npz", x=np.zeros(1))
    (found,) = folders(folder)
    assert found.unlisted == ("more.npz",)

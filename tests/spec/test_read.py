"""Reading spec files: where they are, TOML and its limits, `extends`, hashes."""

from __future__ import annotations

from pathlib import Path

import pytest

from emu import load_format, load_unit
from emu.errors import SpecError, nearest
from emu.spec import builtin_names, find, load_mapping, read_toml, spec_hash, spec_root
from emu.spec.locate import KINDS, is_path
from emu.spec.read import MAX_BYTES, merge


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in {
        "below": 'name = "below"\noperands = { a = "int8", b = "int8", d = "int32" }\nlevel = [{ group = 4 }]',
        "above": 'extends = "below.toml"\noperands = { b = "int4" }\nlevel = [{}]',
        "loop": 'extends = "pool.toml"',
        "pool": 'extends = "loop.toml"',
        "self": 'extends = "self.toml"',
        "odd": "extends = [1]",
        "builtin": 'extends = "int8-int32"\nname = "mine"',
        "bad": "a = 1\nb = = 2",
    }.items():
        (tmp_path / f"{name}.toml").write_text(text, encoding="utf-8")
    return tmp_path


def test_extends_merges_tables_and_replaces_the_rest(folder):
    mapping, source = load_mapping("units", folder / "above.toml")
    assert mapping["operands"] == {"a": "int8", "b": "int4", "d": "int32"}
    assert mapping["level"] == [{}]
    assert (source.stem, source.folder, source.label) == ("above", folder, str(folder / "above.toml"))
    assert load_unit(folder / "above.toml").form.levels[0].group == 1
    assert load_unit(folder / "builtin.toml").name == "mine"


def test_merge_leaves_its_arguments_alone():
    below, above = {"a": {"x": 1, "y": [1]}}, {"a": {"y": [2]}, "b": 3}
    assert merge(below, above) == {"a": {"x": 1, "y": [2]}, "b": 3}
    assert (below, above) == ({"a": {"x": 1, "y": [1]}}, {"a": {"y": [2]}, "b": 3})


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("loop", r"pool\.toml: extends: extends itself \(got '.*loop\.toml'\)"),
        ("self", r"self\.toml: extends: extends itself"),
        ("odd", r"odd\.toml: extends: must be the name or path of one spec \(got \[1\]\)"),
        ("bad", r"bad\.toml: is not TOML: .*line 2"),
        ("absent", r"absent\.toml: no such file"),
    ],
)
def test_files_refused(folder, name, message):
    with pytest.raises(SpecError, match=message) as error:
        load_unit(folder / f"{name}.toml")
    assert "\n" not in str(error.value)


def test_what_is_no_text_or_too_much_of_it(tmp_path: Path):
    path = tmp_path / "made.toml"
    path.write_bytes(b'name = "\xff"')
    with pytest.raises(SpecError, match=r"made\.toml: is not UTF-8 text"):
        read_toml(path)
    path.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(SpecError, match=rf"at most {MAX_BYTES} bytes, this one has {MAX_BYTES + 1}"):
        load_unit(path)
    path.write_bytes(b"#" * MAX_BYTES)
    assert read_toml(path) == {}


def test_a_folder_is_no_file(tmp_path: Path):
    (tmp_path / "made.toml").mkdir()
    with pytest.raises(SpecError, match=r"made\.toml: (no such file|cannot be read)"):
        load_format(str(tmp_path / "made.toml"))


def test_built_ins_are_found_by_name(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for kind in KINDS[:2]:
        assert builtin_names(kind) == tuple(sorted(path.stem for path in (spec_root() / kind).glob("*.toml")))
    assert find("formats", "float16") == spec_root() / "formats" / "float16.toml"
    with pytest.raises(
        SpecError, match=r"unknown name in units \(got 'int8-int23'\); did you mean 'int8-int32'\? Allowed: "
    ):
        load_unit("int8-int23")


@pytest.mark.parametrize(
    ("name", "path"), [("x", False), ("x.toml", True), ("a/x", True), ("..\\x", True), ("nvidia-hopper:a.b", False)]
)
def test_what_counts_as_a_path(name, path):
    assert is_path(name) is path


def test_relative_paths_start_from_the_file(folder, tmp_path, monkeypatch):
    (folder / "deep").mkdir()
    (folder / "deep" / "unit.toml").write_text(
        'base = { unit = "../below.toml" }\noperands.c = "int32"\n[[level]]', "utf-8"
    )
    monkeypatch.chdir(folder / "deep")
    assert load_unit("../deep/unit.toml").form.levels[0].group == 4
    assert load_unit("deep/unit.toml", folder=tmp_path).form.levels[0].group == 4


def test_hashes_do_not_depend_on_order():
    assert spec_hash({"a": 1, "b": [2, 3]}) == spec_hash({"b": [2, 3], "a": 1})
    assert spec_hash({"a": 1}) != spec_hash({"a": 2})
    assert len(spec_hash({})) == 64


@pytest.mark.parametrize(("name", "found"), [("Grop", "group"), ("zzz", None), ("", None)])
def test_nearest_name(name, found):
    assert nearest(name, ["group", "length"]) == found

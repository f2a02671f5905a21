"""`emu replay` and `emu report`, on the demo's own network."""

import json

import numpy as np
import pytest

from emu.cli.main import run
from emu.demo.demo import DATA, MODEL


@pytest.fixture
def inputs(tmp_path):
    with np.load(DATA) as data:
        path = tmp_path / "few.npz"
        np.savez(path, images=data["images"][:8])
    return path


def replay(inputs, *more):
    return run(["replay", str(MODEL), "--inputs", str(inputs), "--accelerator", "hopper-fp8-promoted", *more])


def test_table_store_and_report(inputs, tmp_path, capsys):
    out, page = tmp_path / "run", tmp_path / "report.html"
    assert replay(inputs, "--mode", "propagated", "--out", str(out), "--report", str(page)) == 0
    table = capsys.readouterr().out
    for heading in (
        "layer",
        "op",
        "shape",
        "SQNR dB",
        "max ULP",
        "max |Δ|",
        "cosine",
        "saturated",
        "flushed",
        "NaN made",
    ):
        assert heading in table
    stored = json.loads((out / "run.json").read_text())
    assert stored
    assert (out / "layers.parquet").is_file()
    assert page.read_text().startswith("<!doctype html>") or page.read_text().startswith("<!DOCTYPE html>")
    again = tmp_path / "again.html"
    assert run(["report", str(out), "-o", str(again)]) == 0
    assert again.read_bytes() == page.read_bytes()


def test_expect_passes_on_equal_bits_and_fails_on_a_perturbed_one(inputs, tmp_path, capsys):
    out = tmp_path / "run"
    assert replay(inputs, "--out", str(out)) == 0
    assert replay(inputs, "--expect", str(out), "--backend", "c") == 0
    other = tmp_path / "other.toml"
    cast = '{ scheme = "cast", per = "tensor" }'
    other.write_text(
        'extends = "hopper-fp8-promoted"\nname = "other"\n'
        f'[matrix]\nunit = "bf16-fma-f32"\nactivations = {cast}\nweights = {cast}\n'
    )
    capsys.readouterr()
    arguments = ["replay", str(MODEL), "--inputs", str(inputs), "--accelerator", str(other), "--expect", str(out)]
    assert run(arguments) == 3
    assert "differs from" in capsys.readouterr().err


def test_nothing_is_written_when_the_input_is_bad(tmp_path, capsys):
    bad = tmp_path / "bad.npz"
    np.savez(bad, pictures=np.zeros((1, 8, 8), np.uint8))
    out, page = tmp_path / "run", tmp_path / "report.html"
    assert replay(bad, "--out", str(out), "--report", str(page)) == 1
    assert "images" in capsys.readouterr().err
    assert not out.exists()
    assert not page.exists()


def test_demo(capsys):
    assert run(["demo", "--images", "40", "--accelerator", "int8-int32"]) == 0
    text = capsys.readouterr().out
    assert "IEEE float32" in text
    assert "int8-int32" in text

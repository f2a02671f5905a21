"""`emu cost`."""

from __future__ import annotations

import json

import pytest

from emu.cli.main import EXIT_INPUT, run


def test_the_breakdown_of_one_unit(capsys):
    assert run(["cost", "int8-int32", "-k", "512"]) == 0
    text = capsys.readouterr().out
    for word in ("multiplier", "accumulator", "K = 512", "of fp16-fma-f32", "traffic", "a factor of 2", "█"):
        assert word in text
    assert "normaliser" not in text  # words have none


def test_several_are_compared(capsys):
    assert run(["cost", "int8-int32", "hopper-fp8", "approx-mul-int4", "--baseline", "bf16-fma-f32"]) == 0
    text = capsys.readouterr().out
    assert "relative to bf16-fma-f32" in text
    assert text.count("int8-int32") == 1
    assert "worst Boolean function" in text


def test_json_has_every_figure(capsys):
    assert run(["cost", "int8-int32", "--json", "--tile", "32x8"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["traffic"]["tile"] == [32, 8]
    assert found["energy_per_mac"] == pytest.approx(sum(part["energy_per_mac"] for part in found["parts"]))
    assert found["gates"] == pytest.approx(sum(part["area"] for part in found["parts"]))


def test_an_accelerator_by_name(capsys):
    assert run(["cost", "--accelerator", "int8-int32", "--json"]) == 0
    assert any("[matrix]" in note for note in json.loads(capsys.readouterr().out)["notes"])


def test_published_ratios_are_printed(capsys):
    assert run(["cost", "--published"]) == 0
    text = capsys.readouterr().out
    assert text.count("not reproduced") == 4
    assert "Booth" in text


@pytest.mark.parametrize(("arguments", "code"), [([], 2), (["--published", "int8-int32"], 2), (["nothing"], EXIT_INPUT),
                                                 (["int8-int32", "--tile", "3"], 2)])  # fmt: skip
def test_wrong_use(arguments, code):
    assert run(["cost", *arguments]) == code

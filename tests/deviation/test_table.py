"""The terminal table: nothing is cut that could be dropped, and nothing is cut or dropped outside a
terminal."""

from __future__ import annotations

import dataclasses
import io

import pytest
from rich.console import Console

from emu.deviation import numbers
from emu.deviation.judge import layer_row
from emu.deviation.table import layer_table, print_layers


def rows_of(run):
    return [layer_row(layer) for layer in run.layers]


def printed(rows, *, width, terminal):
    console = Console(file=io.StringIO(), width=width, force_terminal=terminal, color_system=None)
    print_layers(console, rows)
    assert console.width == width
    return console.file.getvalue()


def test_a_pipe_gets_everything(two_layers):
    text = printed(rows_of(two_layers), width=20, terminal=False)
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
        assert heading in text
    assert "…" not in text
    assert "a/second:0" in text
    assert "not finite" in text  # one element of the second layer is an infinity


def test_rare_columns_are_there_only_when_needed(two_layers):
    text = printed(rows_of(two_layers)[:1], width=200, terminal=False)
    for heading in ("not finite", "wrapped"):
        assert heading not in text


@pytest.mark.parametrize("width", range(24, 140, 7))
def test_a_terminal_gets_whole_columns(two_layers, width):
    text = printed(rows_of(two_layers), width=width, terminal=True)
    lines = text.splitlines()
    assert max(len(line) for line in lines) <= width
    assert "SQNR dB" in text
    assert "…" not in text
    if "cosine" not in lines[1]:
        assert "not shown" in text


def test_long_names_are_cut_in_the_middle_before_numbers_are(two_layers):
    row = dataclasses.replace(rows_of(two_layers)[0], layer="/model/layers.11/attention/query/MatMul")
    text = printed([row], width=100, terminal=True)
    assert "…" in text
    assert "MatMul" in text
    assert numbers.cosine(row.cosine) in text


def test_overflow_outside_the_unit_is_in_the_column(two_layers):
    plain = dataclasses.replace(rows_of(two_layers)[0], quantiser_overflowed=0, output_overflowed=0)
    assert "overflowed" not in printed([plain], width=200, terminal=False)
    for field in ("overflow", "quantiser_overflowed", "output_overflowed"):
        text = printed([dataclasses.replace(plain, **{field: 77})], width=200, terminal=False)
        assert "overflowed" in text
        assert " 77" in text


def test_the_worst_layer_is_marked(two_layers):
    lines = printed(rows_of(two_layers), width=200, terminal=False).splitlines()
    assert [line for line in lines if "▸" in line] == [line for line in lines if "a/second:0" in line]
    assert "▸" not in printed(rows_of(two_layers)[:1], width=200, terminal=False)


def test_markup_in_a_name_is_text(two_layers):
    row = dataclasses.replace(rows_of(two_layers)[0], layer="[red]layer[/red]")
    assert "[red]layer[/red]" in printed([row], width=200, terminal=False)


def test_no_layers():
    assert layer_table([]).row_count == 0

"""Shares of stages: from a layer's attribution into its row, Parquet, JSON and the terminal."""

from __future__ import annotations

import dataclasses
import io

import numpy as np
import pytest
from pyarrow import parquet
from rich.console import Console

import emu
from emu.attribution.ladder import Attribution
from emu.attribution.shares import Shares
from emu.attribution.stages import Stage
from emu.deviation.judge import layer_row
from emu.deviation.more_tables import output_table, print_outputs, print_shares, share_table
from emu.deviation.result import from_run
from emu.deviation.store import LAYERS, read_run, tensors_of, write_run
from emu.deviation.table import layer_table, print_layers

FOUND = Attribution(
    stages=(Stage.OPERAND_A, Stage.ALIGNMENT, Stage.RANGE, Stage.OUTPUT),
    shares=Shares(
        share={Stage.OPERAND_A: 0.25, Stage.ALIGNMENT: 0.875, Stage.RANGE: 0.0, Stage.OUTPUT: -0.125},
        rms={Stage.OPERAND_A: 1.0, Stage.ALIGNMENT: 2.0, Stage.RANGE: 0.0, Stage.OUTPUT: 0.5},
        charged={Stage.RANGE: 3}, elements=4, left_out=3,
    ),
    shapley={Stage.OPERAND_A: 0.5, Stage.ALIGNMENT: 0.5}, whole=True,
)  # fmt: skip


@pytest.fixture
def run(two_layers):
    first, second = two_layers.layers
    first = dataclasses.replace(first, attribution=FOUND)
    second = dataclasses.replace(second, no_attribution="too large")
    return dataclasses.replace(two_layers, layers=(first, second))


def rows_of(run):
    return [layer_row(layer, {"m:f": lambda truth, _: float(truth.size)}) for layer in run.layers]


def test_a_row_holds_the_shares(run):
    first, second = rows_of(run)
    assert first.share == {"operand_a": 0.25, "alignment": 0.875, "range": 0.0, "output": -0.125}
    assert first.stage_rms == {"operand_a": 1.0, "alignment": 2.0, "range": 0.0, "output": 0.5}
    assert first.shapley == {"operand_a": 0.5, "alignment": 0.5}
    assert (first.charged, first.infinities_charged) == ({"range": 3}, 3)
    assert (first.attributed_elements, first.attributed_left_out, first.blamed) == (4, 3, "alignment")
    assert first.stages == ("operand_a", "alignment", "range", "output")
    assert (second.share, second.attributed_elements, second.blamed) == ({}, 0, None)
    assert (second.no_attribution, second.stages) == ("too large", ())


def test_parquet_and_json(run, tmp_path):
    result = from_run(run, emu_version="1", semantics_version=1, rows=rows_of(run))
    write_run(tmp_path, result, tensors_of(run))
    table = parquet.read_table(tmp_path / LAYERS)
    columns = {name: table[name].to_pylist() for name in table.column_names}
    assert columns["share_alignment"] == [0.875, None]
    assert columns["share_product"] == columns["share_vector"] == [None, None]
    assert columns["charged_range"] == [3, None]
    assert columns["charged_output"] == [0, None]  # looked at, and charged with nothing
    assert columns["shapley_operand_a"] == [0.5, None]
    assert columns["rms_output"] == [0.5, None]
    assert columns["metric_m:f"] == [4.0, 4.0]
    assert columns["attributed_elements"] == [4, 0]
    assert columns["no_attribution"] == ["", "too large"]
    assert columns["binades"] == [[0, 1, 2], [0, 1]]
    assert not {"share", "charged", "user"} & set(columns)
    assert repr(read_run(tmp_path).result.rows) == repr(result.rows)  # NaN equals NaN there
    assert list(read_run(tmp_path).result.rows[0].share) == ["operand_a", "alignment", "range", "output"]


def printed(what, *arguments, width=200, terminal=False):
    console = Console(file=io.StringIO(), width=width, force_terminal=terminal, color_system=None)
    what(console, *arguments)
    return console.file.getvalue()


def test_the_second_table(run):
    text = printed(print_shares, rows_of(run))
    lines = [line.split() for line in text.splitlines()]
    assert ["first", "43.3", "25", "88", "−12", "range", "3"] in lines
    assert ["first", "43.3", "50", "50"] in lines
    heading = next(line for line in lines if line[:2] == ["layer", "SQNR"])
    assert heading == ["layer", "SQNR", "dB", "operand", "a", "alignment", "output", "not", "finite"]  # range: no share
    assert "a/second:0: too large" in text
    assert "looked at" not in text  # all of the first layer's elements were


def test_how_many_were_looked_at(run):
    (row, _) = rows_of(run)
    assert "4 of 400 elements were looked at" in printed(print_shares, [dataclasses.replace(row, elements=400)])


def test_nothing_is_printed_unless_asked_for(two_layers):
    assert printed(print_shares, rows_of(two_layers)) == ""
    assert printed(print_outputs, ()) == ""


@pytest.mark.parametrize("width", range(24, 80, 5))
def test_a_narrow_terminal_loses_the_least_stages_first(run, width):
    rows = rows_of(run)[:1]
    table = share_table(rows, width=width)
    names = [str(column.header) for column in table.columns]
    kept = [name for name in ("alignment", "operand a", "output") if name in names]
    assert kept == ["alignment", "operand a", "output"][: len(kept)]
    text = printed(print_shares, rows, width=width, terminal=True)
    assert max(len(line.rstrip()) for line in text.splitlines() if "looked" not in line) <= width


def test_the_layer_table_names_the_stage_and_the_users_metric(run):
    text = printed(print_layers, rows_of(run))
    assert "alignment 88 %" in text
    assert "m:f" in text
    names = [column.header for column in layer_table(rows_of(run)).columns]
    assert {"mean rel", "max rel", "P50 ULP", "P99 ULP", "mean ULP", "MSE", "bias"} <= set(names)
    assert "KL nats" not in names


def test_outputs(two_layers):
    result = from_run(two_layers, emu_version="1", semantics_version=1)
    text = printed(print_outputs, result.outputs)
    assert "50.00 %" in text
    assert "top 5" in text
    for width in range(20, 120, 9):
        lines = printed(print_outputs, result.outputs, width=width, terminal=True).splitlines()
        assert max(map(len, lines)) <= width
    assert output_table(result.outputs, width=40).caption is not None


def test_a_softmax_has_a_divergence(two_layers):
    p, q = np.array([[0.5, 0.5], [0.25, 0.75]]), np.array([[0.25, 0.75], [0.25, 0.75]])
    layer = dataclasses.replace(two_layers.layers[0], op="Softmax", truth=p, emulated=q.astype(np.float32))
    assert layer_row(layer).kl_rows == 0
    row = layer_row(dataclasses.replace(layer, softmax_axes=(1,)))
    assert row.kl_rows == 2
    assert row.kl_max == 2 * row.kl_mean == pytest.approx(0.5 * np.log(2) + 0.5 * np.log(2 / 3))
    logs = dataclasses.replace(
        layer, op="LogSoftmax", truth=np.log(p), emulated=np.log(q).astype(np.float32), softmax_axes=(1,),
        output_format=emu.load_format("float32"),
    )  # fmt: skip
    assert layer_row(logs).kl_mean == pytest.approx(row.kl_mean, rel=1e-6)

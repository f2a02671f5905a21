"""The rows of a point as an Arrow table: one row for each layer, output and score.

* `kind` is `matrix` or `vector` for a layer (the columns of `emu.deviation.rows.LayerRow`), `output` for an output of
  the model (the columns that it has), `task` for a score of the workload's task (`layer` is its name, `score` its
  value), `failed` for a point that could not be run (`reason` says why).
* `output_sha256` is that of the bits which a layer put out, their shape before them: equal hashes, equal outputs.
* `key` is the point's, `part` the model's part. What a kind does not have is null.
* `seconds` is wall time; every other column is the same in every engine. What the unit computes is the same on every
  machine; the float64 truth, and so the last digits of a deviation, are those of the machine's BLAS, on one thread, and
  the activations of an isolated replay those of the machine's reference engine.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec

from emu.deviation.parquet import columns, flat
from emu.deviation.rows import LayerRow, OutputRow

if TYPE_CHECKING:
    import pyarrow as pa

OUTPUT, TASK, FAILED = "output", "task", "failed"
TIMES = ("seconds",)
"""Columns that are not the same twice."""


@cache
def schema() -> pa.Schema:
    """The columns of every table."""
    import pyarrow as pa

    own = [("key", pa.string()), ("part", pa.string())]
    extra = [
        ("output_sha256", pa.string()),
        ("argmax_agreement", pa.float64()),
        ("topk_agreement", pa.float64()),
        ("score", pa.float64()),
        ("reason", pa.string()),
    ]
    rows = [(field.name, field.type) for field in columns(())]
    return pa.schema([pa.field(name, kind, nullable=True) for name, kind in [*own, *rows, *extra]])


def table(key: str, rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """Rows of a point as a table."""
    import pyarrow as pa

    return pa.Table.from_pylist([{"key": key, **row} for row in rows], schema=schema())


def layer(row: LayerRow, part: str, digest: str) -> dict[str, Any]:
    """A layer's row, with the hash of what it put out."""
    return {"part": part, **flat(row), "output_sha256": digest}


def output(row: OutputRow, part: str) -> dict[str, Any]:
    """An output's row."""
    fields: dict[str, Any] = msgspec.to_builtins(row)
    return {"part": part, "kind": OUTPUT, "layer": fields.pop("output"), **fields}


def score(name: str, value: float) -> dict[str, Any]:
    """A score's row."""
    return {"part": "", "kind": TASK, "layer": name, "score": value}


def failed(reason: str) -> dict[str, Any]:
    """The row of a point that could not be run."""
    return {"part": "", "kind": FAILED, "layer": "", "reason": reason}

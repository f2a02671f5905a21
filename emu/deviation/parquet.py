"""The rows of a run as Parquet: one column for each field, and for each name of a field that holds a mapping.

* `share`, `shapley`, `stage_rms` and `charged` have a column for every stage there is (`share_alignment`, ...), null
  where the layer's datapath has no such stage or its error was not looked at. A stage that was looked at and is
  charged with nothing is 0.
* The user's own metrics are `metric_NAME`.
* Where a run comes from is in the file's metadata, under `emu.…`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from emu.attribution.stages import Stage
from emu.deviation.result import Result
from emu.deviation.rows import LayerRow

STAGES = tuple(stage.value for stage in Stage)
BY_STAGE = {"share": "share", "shapley": "shapley", "stage_rms": "rms", "charged": "charged"}
"""Fields by stage, and how their columns begin."""
USER = "user"


def write_parquet(path: Path, result: Result) -> None:
    """Write the rows."""
    import pyarrow as pa
    from pyarrow import parquet

    about = {
        "model": result.model, "model_sha256": result.model_sha256, "inputs_sha256": result.inputs_sha256,
        "accelerator": result.accelerator, "accelerator_hash": result.accelerator_hash, "mode": result.mode,
        "truth": result.truth, "against": result.against, "against_hash": result.against_hash,
        "backend": result.backend, **msgspec.to_builtins(result.provenance),
    }  # fmt: skip
    own = list(dict.fromkeys(name for row in result.rows for name in row.user))
    schema = pa.schema(columns(own), metadata={f"emu.{k}": str(v) for k, v in about.items()})
    parquet.write_table(pa.Table.from_pylist([flat(row) for row in result.rows], schema=schema), path)


def flat(row: LayerRow) -> dict[str, Any]:
    """A row without mappings."""
    out: dict[str, Any] = msgspec.to_builtins(row)
    for field, prefix in BY_STAGE.items():
        values = out.pop(field)
        if field == "charged":
            values = dict.fromkeys(row.stages, 0) | values
        out |= {f"{prefix}_{stage}": values.get(stage) for stage in STAGES}
    out |= {f"metric_{name}": value for name, value in out.pop(USER).items()}
    return out


def columns(own: Sequence[str]) -> list[Any]:
    """Columns of the file, from the annotations of `LayerRow`.

    Args:
        own: names of metrics of the user's own.
    """
    import pyarrow as pa

    types = {
        "int": (pa.int64(), False),
        "int | None": (pa.int64(), True),
        "float": (pa.float64(), False),
        "str": (pa.string(), False),
        "tuple[int, ...]": (pa.list_(pa.int64()), False),
        "tuple[float, ...]": (pa.list_(pa.float64()), False),
        "dict[str, float]": (pa.float64(), True),
        "dict[str, int]": (pa.int64(), True),
    }
    out = []
    for field in dataclasses.fields(LayerRow):
        kind, nullable = types[str(field.type)]
        names = [field.name]
        if field.name in BY_STAGE:
            names = [f"{BY_STAGE[field.name]}_{stage}" for stage in STAGES]
        elif field.name == USER:
            names = [f"metric_{name}" for name in own]
        out += [pa.field(name, kind, nullable=nullable) for name in names]
    return out

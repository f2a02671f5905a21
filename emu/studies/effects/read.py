"""The points of a study that ran, as effects see them."""

from __future__ import annotations

import math
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from emu.studies.effects.cells import Outputs
from emu.studies.effects.figure import Measured, Table
from emu.studies.scores import LAYERS

if TYPE_CHECKING:
    from emu.studies.view import Shown, View


def table_of(view: View) -> Table:
    """The points; those without an answer have NaN for every number, and no outputs."""
    return Table(axes={name: view.labels(name) for name in view.names}, points=[_of(view, one) for one in view.points])


def _of(view: View, one: Shown) -> Measured:
    def outputs(glob: str) -> Outputs:
        rows = view.results.store.read([one.key], ("kind", "part", "layer", "output_sha256")).to_pylist()
        return tuple(
            (f"{row['part']}/{row['layer']}", row["output_sha256"])
            for row in rows
            if row["kind"] in LAYERS and fnmatchcase(row["layer"], glob)
        )

    values = one.values if one.done else dict.fromkeys(one.values, math.nan)
    return Measured(labels=one.labels, values=values, kept=one.kept, outputs=outputs)

"""A workload as files that `emu replay` takes: each part as ONNX, and what it is asked first as .npz."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from emu.workloads.run import proto_of

if TYPE_CHECKING:
    from emu.workloads.run import Opened


def export(opened: Opened, folder: Path) -> list[tuple[Path, Path]]:
    """Write (model, inputs) of every part.

    Fixed inputs are constants of the written model, and branches on them are taken: it is the model that a run uses.

    Args:
        opened: the workload.
        folder: where the files go; made if it does not exist.
    """
    folder.mkdir(parents=True, exist_ok=True)
    first, out = opened.first_inputs(), []
    for part, loaded in opened.parts.items():
        graph = loaded.graph
        model = graph.submodel(graph.nodes, graph.inputs, graph.outputs)
        declared = {value.name: value for value in proto_of(opened.sources[part]).graph.output}
        for value in model.graph.output:  # a whole model's outputs have types
            value.CopyFrom(declared[value.name])
        path, inputs = folder / f"{part}.onnx", folder / f"{part}.npz"
        path.write_bytes(model.SerializeToString())
        np.savez(inputs, **{name: np.asarray(value) for name, value in first[part].items()})  # type: ignore[arg-type]
        out.append((path, inputs))
    return out

"""A workload as files that `emu replay` takes: each part as ONNX, what it is asked first as .npz, and a synthetic one's
second sample, for `--calibration`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from emu.workloads.run import proto_of

if TYPE_CHECKING:
    from emu.workloads.run import Opened


def export(opened: Opened, folder: Path) -> list[tuple[Path, ...]]:
    """Write (model, inputs) of every part, or (model, inputs, calibration).

    Fixed inputs are constants of the written model, and branches on them are taken: it is the model that a run uses.

    Args:
        opened: the workload.
        folder: where the files go; made if it does not exist.
    """
    folder.mkdir(parents=True, exist_ok=True)
    first = opened.first_inputs()
    out: list[tuple[Path, ...]] = []
    for part, loaded in opened.parts.items():
        graph = loaded.graph
        model = graph.submodel(graph.nodes, graph.inputs, graph.outputs)
        declared = {value.name: value for value in proto_of(opened.sources[part]).graph.output}
        for value in model.graph.output:  # a whole model's outputs have types
            value.CopyFrom(declared[value.name])
        path, inputs = folder / f"{part}.onnx", folder / f"{part}.npz"
        path.write_bytes(model.SerializeToString())
        np.savez(inputs, **{name: np.asarray(value) for name, value in first[part].items()})  # type: ignore[arg-type]
        written = [path, inputs]
        if opened.calibration is not None:
            written.append(folder / f"{part}.calibration.npz")
            np.savez(written[-1], **opened.calibration)  # type: ignore[arg-type]
        out.append(tuple(written))
    return out

"""A model, read, checked, folded and tried in the reference engine: ready for any accelerator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emu.layers.gemm import Array
from emu.replaying.graph import Graph, bind, load_graph
from emu.replaying.inputs import inputs_hash, read_inputs
from emu.replaying.limits import Limits
from emu.replaying.reference import Reference

if TYPE_CHECKING:
    from onnx import ModelProto

Inputs = str | Path | Mapping[str, Any]
"""An .npz file, or arrays by input name."""


class LoadedModel:
    """A model, ready for any accelerator."""

    def __init__(
        self,
        model: str | Path | ModelProto,
        *,
        fixed: Mapping[str, Array] | None = None,
        limits: Limits | None = None,
        like: Sequence[Inputs] = (),
    ) -> None:
        """Load, check and fold a model, and try it in the reference engine.

        Args:
            model: an ONNX file, or a model built in memory.
            fixed: inputs that have one value for good; branches on them are taken.
            limits: bounds on what is read.
            like: inputs whose shapes all runs have. A cell whose number of steps only they tell is taken apart then,
                and inputs of other shapes are refused; without such a cell, or without `like`, any shape goes.

        Raises:
            ModelError: anything that is wrong with the model, or with those inputs.
        """
        self.limits = limits or Limits()
        loaded = load_graph(model, self.limits, fixed)
        self.graph: Graph = loaded
        if like:
            self.graph = bind(loaded, lambda: [read_inputs(one, loaded, self.limits) for one in like], self.limits)
        self.reference = Reference(self.graph)
        self.fixed_sha256 = inputs_hash(fixed or {})
        """of the inputs that were fixed: the model's own hash does not know them"""

    def run(self, inputs: Inputs) -> dict[str, Array]:
        """The outputs in float32 by the reference engine: what IEEE hardware makes of the model.

        Raises:
            ModelError: inputs that do not fit, or the engine fails.
        """
        return self.reference.run(read_inputs(inputs, self.graph, self.limits), self.graph.outputs)

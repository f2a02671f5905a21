"""What stands in for a task where there is none: a synthetic model is asked once, with the tensors that were drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from numpy.typing import NDArray

from emu.errors import ModelError
from emu.workloads.tasks.base import MODEL, Forward, Task, Tick

Outputs = dict[str, NDArray[Any]]


class Drawn(Task[Outputs]):
    """One set of inputs, and nothing to judge answers by."""

    repeats: ClassVar[bool] = False

    def __init__(self, inputs: Mapping[str, NDArray[Any]]) -> None:
        self._given = inputs
        self.inputs, self.size = f"{len(inputs)} drawn tensor{'s' if len(inputs) > 1 else ''}", 1

    def answer(self, forward: Forward, tick: Tick) -> Outputs:
        """The outputs of the layers."""
        tick(0, 1)
        out = forward(MODEL, self._given)
        tick(1, 1)
        return out

    def score(self, answer: Outputs, ieee: Outputs) -> dict[str, float]:  # noqa: ARG002
        """Refused."""
        raise ModelError("a synthetic workload has no task: replay it layer by layer")

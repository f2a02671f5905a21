"""The node tests that the onnx package generates: a model of one operator, its inputs and ONNX's own outputs."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

from numpy.typing import NDArray
from onnx import ModelProto

Arrays = dict[str, NDArray[Any]]


@cache
def cases(operator: str) -> dict[str, tuple[ModelProto, Arrays, Arrays]]:
    """The cases of one operator by name (those of its function body left out): model, inputs, outputs."""
    node = import_module("onnx.backend.test.case.node")
    before = len(node._NodeTestCases)
    module = import_module(f"onnx.backend.test.case.node.{operator.lower()}")  # its classes run when they are made
    made = node._NodeTestCases[before:]
    assert made, f"{module.__name__} was imported before"
    return {
        case.name: (case.model, *(_named(case.model, which, at) for at, which in enumerate(("input", "output"))))
        for case in made
        if not case.name.endswith("_expanded") and case.data_sets
        for _named in (lambda model, which, at, sets=case.data_sets: _arrays(model, which, sets[0][at]),)
    }


def _arrays(model: ModelProto, which: str, arrays: Any) -> Arrays:
    return {value.name: array for value, array in zip(getattr(model.graph, which), arrays, strict=True)}

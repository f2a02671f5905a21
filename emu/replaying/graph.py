"""A model as the replay sees it: flat, folded, pruned, with every constant at hand.

1. The model's own functions are inlined.
2. Constant nodes and everything that depends on constants alone are computed once (by the reference engine) and become
   initialisers: a layer's weights are weights even if the exporter wrote them as Identity, Transpose or
   DequantizeLinear of a constant. Random operators are never folded.
3. An input that the caller fixes is such a constant too.
4. An If whose condition is a constant by now is replaced by the branch that it takes, a Loop or Scan of a known number
   of steps by its steps (`emu.replaying.loops`), and folding begins again.
5. Nodes that no output needs are dropped.
6. An operator that hides multiply-accumulates becomes the nodes that it is made of (`emu.replaying.decompose`). Where
   that needs shapes that the model leaves open, `bind` makes the graph one for inputs of given shapes. Of these nodes
   only those that round nothing are folded: the others are the accelerator's, whatever they read.

The nodes stay in the model's order, which ONNX requires to be topological.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from emu.errors import ModelError
from emu.layers.gemm import Array
from emu.replaying.binding import with_shapes, with_sizes
from emu.replaying.branches import taken
from emu.replaying.decompose import decomposed, whole
from emu.replaying.fallback import NO_ROUNDING
from emu.replaying.integers import dequantised
from emu.replaying.limits import Limits
from emu.replaying.loading import accept_model, load_model
from emu.replaying.loops import computing_bodies, unrolled
from emu.replaying.walk import all_nodes, node_label, reads, sparse_tensors

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto

RANDOM_OPS = frozenset(
    {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli", "Dropout"}
)
MOST_ROUNDS = 64
"""How often what was taken apart is looked through for more to take apart."""


@dataclass(frozen=True, kw_only=True)
class Graph:
    """A loaded model. Build it with `load_graph`."""

    path: Path
    sha256: str
    opsets: dict[str, int]
    ir_version: int
    nodes: tuple[NodeProto, ...]
    constants: dict[str, TensorProto]
    inputs: tuple[ValueInfoProto, ...]
    """what the caller must give"""
    outputs: tuple[str, ...]
    dequantised: frozenset[str] = frozenset()
    """constants that were integers with a scale before they were folded"""

    @cached_property
    def nodes_sha256(self) -> str:
        """SHA-256 (hex) of the nodes as they are now: what was folded, bound and taken apart places them."""
        digest = hashlib.sha256()
        for node in self.nodes:
            text = node.SerializeToString(deterministic=True)
            digest.update(len(text).to_bytes(8, "little") + text)
        return digest.hexdigest()

    def array(self, name: str) -> Array:
        """A constant as an array (a fresh one; ml_dtypes types where NumPy has none)."""
        from onnx import numpy_helper

        return numpy_helper.to_array(self.constants[name])

    def submodel(
        self,
        nodes: Iterable[NodeProto],
        inputs: Iterable[ValueInfoProto],
        outputs: Iterable[str],
        constants: Mapping[str, TensorProto] | None = None,
    ) -> ModelProto:
        """A model of some of the nodes, with the constants that they read.

        Args:
            nodes: in topological order.
            inputs: the tensors that come from outside.
            outputs: the tensors that are wanted.
            constants: replaces this graph's own.
        """
        from onnx import helper

        nodes, outputs = list(nodes), list(outputs)
        known = self.constants if constants is None else constants
        used = dict.fromkeys(name for node in nodes for name in reads(node))
        used.update(dict.fromkeys(outputs))
        graph = helper.make_graph(
            nodes,
            "emu",
            list(inputs),
            [helper.make_empty_tensor_value_info(name) for name in outputs],
            initializer=[known[name] for name in used if name in known],
        )
        opsets = [helper.make_opsetid(domain, version) for domain, version in self.opsets.items()]
        return helper.make_model(graph, opset_imports=opsets, ir_version=self.ir_version)


def load_graph(
    model: str | Path | ModelProto, limits: Limits | None = None, fixed: Mapping[str, Array] | None = None
) -> Graph:
    """Load, check, inline, fold and prune a model.

    Args:
        model: an ONNX file, or a model that was built in memory; errors call that one by its graph's name.
        limits: bounds on what is read and folded.
        fixed: inputs that have one value for good.

    Raises:
        ModelError: anything that is wrong with the file, see `emu.replaying.loading`; a fixed input that the model
            does not have, or has with another type.
    """
    from onnx import inliner

    limits = limits or Limits()
    if isinstance(model, str | Path):
        path = Path(model)
        model, digest = load_model(path, limits)
    else:
        path = Path(model.graph.name)
        digest = accept_model(model, path)
    if model.functions:
        model = inliner.inline_local_functions(model)
    if model.graph.sparse_initializer:
        raise ModelError(f"{path}: sparse initialisers are not supported: store them dense")
    for node in all_nodes(model.graph):
        if any(True for attribute in node.attribute for _ in sparse_tensors(attribute)):
            raise ModelError(f"{path}: node {node_label(node)!r}: sparse constants are not supported: store them dense")
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    graph = Graph(
        path=path,
        sha256=digest,
        opsets={"" if entry.domain == "ai.onnx" else entry.domain: entry.version for entry in model.opset_import},
        ir_version=model.ir_version,
        nodes=tuple(model.graph.node),
        constants=constants,
        inputs=tuple(value for value in model.graph.input if value.name not in constants),
        outputs=tuple(value.name for value in model.graph.output),
    )
    return _apart(_pruned(_settled(_fixed(graph, fixed or {}), limits)), limits)


def bind(graph: Graph, read: Callable[[], Sequence[Mapping[str, Array]]], limits: Limits | None = None) -> Graph:
    """A graph for inputs of given shapes, if that lets more be taken apart; else the graph as it is.

    Args:
        graph: from `load_graph`.
        read: gives the inputs (of a run, of its calibration), if they are asked for.
        limits: bounds on what is folded.
    """
    if not _left(graph):
        return graph
    limits = limits or Limits()
    apart = _apart(_pruned(_sized(with_shapes(graph, read()), limits)), limits)
    return apart if _left(apart) < _left(graph) else graph


def _left(graph: Graph) -> int:
    """Operators that known shapes might let be taken apart, unrolled or taken the branch of."""
    return whole(graph) + computing_bodies(graph)


def _sized(graph: Graph, limits: Limits) -> Graph:
    """Folded, with every shape that is known a constant."""
    while True:
        graph = _settled(graph, limits)
        known = with_sizes(graph)
        if known is None:
            return graph
        graph = known


def _apart(graph: Graph, limits: Limits) -> Graph:
    """Everything taken apart that can be; what rounds is not folded, even if it reads constants alone."""
    for _ in range(MOST_ROUNDS):
        apart = decomposed(graph)
        if apart is None:
            return graph
        graph = _pruned(_folded(apart, limits, NO_ROUNDING))
    raise ModelError(f"{graph.path}: operators that are made of others are nested more than {MOST_ROUNDS} deep")


def _fixed(graph: Graph, values: Mapping[str, Array]) -> Graph:
    """The graph with some inputs made constants."""
    from onnx import numpy_helper

    made = {name: numpy_helper.from_array(np.asarray(value), name) for name, value in values.items()}
    types = {value.name: value.type.tensor_type.elem_type for value in graph.inputs}
    for name, tensor in made.items():
        if types.get(name) != tensor.data_type:
            what = "has another type" if name in types else f"does not exist; inputs: {', '.join(types)}"
            raise ModelError(f"{graph.path}: fixed input {name!r} {what}")
    left = tuple(value for value in graph.inputs if value.name not in made)
    return replace(graph, inputs=left, constants=graph.constants | made)


def _settled(graph: Graph, limits: Limits) -> Graph:
    """Folded, with every branch taken and every loop unrolled that is known."""
    while True:
        graph = _folded(graph, limits)
        inlined = taken(graph) or unrolled(graph)
        if inlined is None:
            return graph
        graph = inlined


def _folded(graph: Graph, limits: Limits, only: frozenset[str] | None = None) -> Graph:
    """What depends on constants alone computed; `only` by some operators."""
    from onnx import numpy_helper

    from emu.replaying.blame import checked_session
    from emu.replaying.sizes import check_sizes

    known = set(graph.constants)
    foldable, rest = [], []
    for node in graph.nodes:
        wanted_op = only is None or node.op_type in only
        if wanted_op and not _is_random(node) and known.issuperset(reads(node)):
            foldable.append(node)
            known.update(node.output)
        else:
            rest.append(node)
    wanted = {name for node in rest for name in reads(node)} | set(graph.outputs)
    made = [name for node in foldable for name in node.output if name in wanted]
    if not made:
        return replace(graph, nodes=tuple(rest))
    check_sizes(graph, foldable, limits)
    values = checked_session(graph, foldable, (), made).run({}, made)
    size = sum(value.nbytes for value in values.values())
    if size > limits.folded:
        raise ModelError(f"{graph.path}: its constants fold to {size} bytes, and at most {limits.folded} are allowed")
    folded = {name: numpy_helper.from_array(value, name) for name, value in values.items()}
    return replace(
        graph,
        nodes=tuple(rest),
        constants=graph.constants | folded,
        dequantised=dequantised(foldable, graph.constants, graph.dequantised),
    )


def _is_random(node: NodeProto) -> bool:
    from onnx import GraphProto

    return any(inner.op_type in RANDOM_OPS for inner in all_nodes(GraphProto(node=[node])))


def _pruned(graph: Graph) -> Graph:
    wanted = set(graph.outputs)
    kept = []
    for node in reversed(graph.nodes):
        if wanted.intersection(node.output):
            kept.append(node)
            wanted.update(reads(node))
    constants = {name: tensor for name, tensor in graph.constants.items() if name in wanted}
    return replace(graph, nodes=tuple(reversed(kept)), constants=constants)

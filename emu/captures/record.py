"""Capturing layers of an ONNX model.

* What is captured are the layers that a replay emulates: MatMul, Gemm, Conv, ConvTranspose and Einsum on float32 or
  float16, at the top level of the flat model (`emu.replaying.graph`), steps of a taken-apart LSTM or GRU included.
* Operands and outputs are the reference engine's float32 activations: those that an isolated replay reads.
* The model runs twice. The first run gives shapes alone, so the file's size is known to the byte and refused before
  anything is kept; the second goes layer by layer, and a tensor is dropped after its last reader.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emu.atomic import check_file
from emu.captures.header import Source, described
from emu.captures.store import MOST_BYTES, Store, Stored, TypeAndShape
from emu.errors import ModelError
from emu.layers.gemm import Array
from emu.replaying.engine import Session, numpy_type
from emu.replaying.fallback import find_fallbacks
from emu.replaying.graph import Graph
from emu.replaying.inputs import inputs_hash, read_inputs
from emu.replaying.islands import IslandRunner
from emu.replaying.layers import Layer, select_layers
from emu.replaying.limits import Limits
from emu.replaying.result import FallbackReason
from emu.replaying.schedule import Island, Step, execute, island_of, islands_of, schedule
from emu.replaying.session import LoadedModel

if TYPE_CHECKING:
    from onnx import ModelProto

    from emu.replaying.job import Progress


def capture(
    model: str | Path | ModelProto,
    inputs: str | Path | Mapping[str, Any],
    out: str | Path,
    *,
    layers: str = "*",
    limit: int = MOST_BYTES,
    progress: Progress | None = None,
    limits: Limits | None = None,
) -> Stored:
    """Run an ONNX model in the reference engine and store chosen layers.

    Args:
        model: an ONNX file, or a model built in memory.
        inputs: an .npz file, or arrays by input name.
        out: the .safetensors file, which is there whole at the end or not at all.
        layers: a glob over layer names.
        limit: the largest file that may be written, in bytes.
        progress: called with (layers done, layers in all, name of the next one).
        limits: bounds on what is read.

    Raises:
        ModelError: the model or its inputs, a glob that matches nothing, or a file that would be too large; all of
            these before a tensor is kept.
    """
    out = out_file(out)
    loaded = LoadedModel(model, limits=limits, like=[inputs])  # the layers of a replay of these inputs
    graph, types = loaded.graph, loaded.reference.types
    given = read_inputs(inputs, graph, loaded.limits)
    chosen = select_layers(graph, types, layers)
    if not chosen:
        raise ModelError(f"{graph.path}: multiplies in integers only: it has no float layer to capture")
    headers = tuple(described(layer.node, layer.name) for layer in chosen)
    names = list(dict.fromkeys(name for header in headers for name in (*filter(None, header.operands), header.output)))
    constants = [name for name in names if name in graph.constants]
    store = Store(
        out, layers=headers, tensors=_shapes(graph, types, given, names), constants=constants,
        opsets={"": graph.opsets.get("", 1)}, source=Source.ONNX, model=graph.path.name, model_sha256=graph.sha256,
        inputs_sha256=inputs_hash(given), limit=limit,
    )  # fmt: skip
    _fill(store, graph, types, given, chosen, constants, progress or _silent)
    return store.stored(_left_out(graph, types, chosen))


def out_file(out: str | Path) -> Path:
    """The file that is to be written, checked before any work starts."""
    from emu.captures.model import SUFFIX

    out = Path(out)
    if out.suffix != SUFFIX:
        raise ModelError(f"{out}: captures are {SUFFIX} files: name it so")
    check_file(out)
    return out


def _left_out(graph: Graph, types: Mapping[str, int], chosen: Sequence[Layer]) -> list[str]:
    """What multiplies and accumulates, and is no layer of a replay either."""
    found = find_fallbacks(graph, types, frozenset(layer.name for layer in chosen), frozenset())
    whatever = (FallbackReason.NOT_SELECTED, FallbackReason.VECTOR)
    return [f"{one.op} {one.node} ({one.reason.value})" for one in found if one.reason not in whatever]


def _shapes(
    graph: Graph, types: Mapping[str, int], given: Mapping[str, Array], names: Sequence[str]
) -> dict[str, TypeAndShape]:
    """Type and shape of some tensors: a run of the model in which nothing but shapes is kept."""
    from onnx import helper

    made = [name for name in names if name not in given and name not in graph.constants]
    all_names = {name for node in graph.nodes for name in (*node.input, *node.output)}
    label = "shape"
    while any(name.startswith(label) for name in all_names):
        label += "'"
    asked = {f"{label}:{name}": name for name in made}
    nodes = [helper.make_node("Shape", [name], [key]) for key, name in asked.items()]
    found = Session(graph, graph.submodel([*graph.nodes, *nodes], graph.inputs, asked)).run(given, asked)
    shapes = {asked[key]: tuple(int(size) for size in shape) for key, shape in found.items()}
    shapes |= {name: given[name].shape for name in names if name in given}
    shapes |= {name: tuple(graph.constants[name].dims) for name in names if name in graph.constants}
    return {name: (numpy_type(types[name]), shapes[name]) for name in names}


def _fill(
    store: Store, graph: Graph, types: Mapping[str, int], given: Mapping[str, Array], chosen: Sequence[Layer],
    constants: Sequence[str], progress: Progress,
) -> None:  # fmt: skip
    """Run the model layer by layer and write the tensors on the way."""
    steps = schedule(graph, chosen)
    alone = {layer.index: island_of(graph, layer) for layer in chosen}
    engine = IslandRunner(graph, types, (*islands_of(steps), *alone.values()))
    done = 0
    with store.writing() as file:
        for name in constants:
            file.put(name, graph.array(name))

        def step(which: Step, values: Mapping[str, Array]) -> Mapping[str, Array]:
            nonlocal done
            if isinstance(which, Island):
                return engine(which, values)
            progress(done, len(chosen), which.name)
            done += 1
            made = engine(alone[which.index], values)
            for name in dict.fromkeys(which.node.input):
                if name in values:
                    file.put(name, values[name])
            file.put(which.output, made[which.output])
            return made

        execute(graph, steps, given, step)
    progress(done, len(chosen), "")


def _silent(*_: object) -> None:
    """No callback."""

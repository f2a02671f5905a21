"""`capture`: products of a PyTorch model with their operands, in the container of `emu.captures`.

* What is captured are the products that `emulate` would give to a unit, under the same names and as the same ONNX
  operators: a Linear is a Gemm of rows (a MatMul without a bias), attention is the products `qk` and `pv`.
* A module that runs several times in one forward gives `NAME`, `NAME#2`, `NAME#3`, in the order of the calls.
* Operands are the tensors that PyTorch had there, in their own type; the output is PyTorch's own product of them.
  Weights are the model's parameters and buffers. Equal tensors are stored once.
* The model is called once, without gradients. It keeps its own forward afterwards.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np
import torch
from numpy.typing import NDArray

from emu.accelerators import load_accelerator
from emu.captures.header import LayerHeader, Source, described
from emu.captures.record import out_file
from emu.captures.store import MOST_BYTES, Store
from emu.errors import ModelError
from emu.replaying.inputs import inputs_hash
from emu.replaying.result import FallbackReason
from emu.torch.emulation import Clipping, Emulation, LayerUse
from emu.torch.model import EmulatedForward, restore, watch
from emu.torch.tensors import to_array

if TYPE_CHECKING:
    from emu.captures.store import Stored

OPSET = 20
"""Of the operators' meaning."""
ROLES = "abc"
Array = NDArray[Any]


def capture(
    model: torch.nn.Module,
    *args: Any,
    out: str | Path,
    layers: str = "*",
    limit: int = MOST_BYTES,
    label: str | None = None,
    kwargs: Mapping[str, Any] | None = None,
) -> Stored:
    """Call a model once and store the operands and outputs of its products.

    Args:
        model: its parameters and inputs are float32, float16 or bfloat16 tensors on the CPU. It runs in the mode that
            it is in: call `model.eval()` before.
        args: the model's arguments.
        out: the .safetensors file, which is there whole at the end or not at all.
        layers: a glob over names, as `emulate` has them.
        limit: the largest file that may be written, in bytes; a run that gathers more is stopped.
        label: what the capture calls the model; the name of its class, unless given.
        kwargs: the model's keyword arguments.

    Returns:
        What was stored.

    Raises:
        ModelError: an emulated or scripted model, types and devices that are not emulated, no product of such a name,
            or too large a file.
    """
    out = out_file(out)
    if not isinstance(model, torch.nn.Module):
        raise ModelError(f"a {type(model).__name__} is no PyTorch model: pass a torch.nn.Module, then its arguments")
    if any(isinstance(module.__dict__.get("forward"), EmulatedForward) for module in model.modules()):
        raise ModelError("the model is emulated: pass the model itself, or emu.torch.restore(model)")
    keywords = dict(kwargs or {})
    given = {f"input {number}": _plain(one) for number, one in enumerate(_tensors((args, keywords)))}
    state = {name: _plain(one) for name, one in model.state_dict().items() if isinstance(one, torch.Tensor)}
    recording = Recording(model, layers, out, limit)
    try:
        watch(model, recording)
        with torch.no_grad():
            model(*args, **keywords)
    finally:
        restore(model)
    if not recording.headers:
        raise ModelError(f"{label or type(model).__qualname__}: has no product of floats that can be captured")
    tensors = recording.tensors
    store = Store(
        out, layers=recording.headers, tensors={name: (value.dtype, value.shape) for name, value in tensors.items()},
        constants=recording.constants, opsets={"": OPSET}, source=Source.TORCH,
        model=label or type(model).__qualname__, model_sha256=inputs_hash(state), inputs_sha256=inputs_hash(given),
        limit=limit,
    )  # fmt: skip
    with store.writing() as file:
        for name, value in tensors.items():
            file.put(name, value)
    return store.stored(recording.left_out())


class Recording(Emulation):
    """An emulation in which PyTorch runs the products, and their tensors are kept."""

    def __init__(self, root: torch.nn.Module, layers: str, path: Path, limit: int) -> None:
        """Nothing recorded yet.

        Args:
            root: the model.
            layers: a glob over names.
            path: of the file, for error messages.
            limit: bytes that may be kept.
        """
        unused = load_accelerator("bf16-fma-f32")  # every product is recorded in its place
        super().__init__(root, unused, layers=layers, backend=None, seed=None, clipping=Clipping.THROUGH)
        self.vector = None
        self.recorder = self.record
        self.headers: list[LayerHeader] = []
        self.tensors: dict[str, Array] = {}
        self.constants: list[str] = []
        self._known: dict[tuple[Any, ...], str] = {}
        self._calls: Counter[str] = Counter()
        self._path, self._limit, self._bytes = path, limit, 0

    def record(
        self, name: str, op: str, attributes: Mapping[str, Any], first: torch.Tensor, second: torch.Tensor,
        bias: torch.Tensor | None, weights: tuple[bool, bool],
    ) -> torch.Tensor:  # fmt: skip
        """Keep one product; PyTorch's own result."""
        from onnx import helper

        self.layers.setdefault(name, LayerUse(name=name, op=op, unit=""))
        self._calls[name] += 1
        layer = name if self._calls[name] == 1 else f"{name}#{self._calls[name]}"
        constant = [*weights, bias is not None and self.owner(bias) is not None]
        if all(weights):  # a product of two parameters: one of them has to come from somewhere
            constant[0] = False
        given = [one for one in (first, second, bias) if one is not None]
        names = [
            self._keep(self._name(layer, role, one, held), layer, one, held)
            for role, one, held in zip(ROLES, given, constant, strict=False)
        ]
        made = product_of(op, attributes, first, second, bias)
        output = self._keep(f"{layer}:output", layer, made, False)
        self.headers.append(described(helper.make_node(op, names, [output], layer, **attributes), layer))
        return made

    def left_out(self) -> Iterator[str]:
        """What multiplied and accumulated in PyTorch as a whole."""
        for one in self.fallbacks.values():
            if one.reason is FallbackReason.HIDDEN_MACS:
                yield f"{one.op} in {one.name or 'the model'}"

    def _name(self, layer: str, role: str, x: torch.Tensor, constant: bool) -> str:
        """A whole parameter goes by its own name."""
        owned = self.owner(x) if constant else None
        if owned is None or owned.tensor.data_ptr() != x.data_ptr():
            return f"{layer}:{role}"
        whole = (owned.tensor.shape, owned.tensor.stride()) == (x.shape, x.stride())
        return owned.name if whole else f"{layer}:{role}"

    def _keep(self, name: str, layer: str, x: torch.Tensor, constant: bool) -> str:
        """Keep a copy of a tensor, unless an equal one is there; the name that it has."""
        try:
            value = _own_type(x)
        except ModelError as error:
            raise ModelError(f"layer {layer!r}: {error}") from None
        key = (constant, value.dtype, value.shape, hashlib.sha256(value.tobytes()).digest())
        if key in self._known:
            return self._known[key]
        while name in self.tensors:
            name += "'"
        self._bytes += value.nbytes
        if self._bytes > self._limit:
            raise ModelError(
                f"{self._path}: would have more than {self._limit} bytes by layer {layer!r}, and no more are allowed: "
                "choose fewer layers, fewer inputs or a higher limit"
            )
        self._known[key] = name
        self.tensors[name] = value
        if constant:
            self.constants.append(name)
        return name


def product_of(
    op: str, attributes: Mapping[str, Any], first: torch.Tensor, second: torch.Tensor, bias: torch.Tensor | None
) -> torch.Tensor:
    """A layer in PyTorch's own arithmetic."""
    made: torch.Tensor
    if op == "MatMul":
        made = torch.matmul(first, second)
    elif op == "Einsum":
        made = torch.einsum(attributes["equation"], first, second)
    elif op == "Gemm":
        columns = second.t() if attributes.get("transB") else second
        alpha, beta = attributes.get("alpha", 1.0), attributes.get("beta", 1.0)
        assert bias is not None
        made = torch.addmm(bias, first, columns, beta=beta, alpha=alpha)
    else:
        rank = first.ndim - 2
        before, after = attributes["pads"][:rank], attributes["pads"][rank:]
        symmetric = list(before) == list(after)
        if not symmetric:  # the last axis first, as `pad` counts them
            pairs = reversed(list(zip(before, after, strict=True)))
            first = torch.nn.functional.pad(first, [side for pair in pairs for side in pair])
        made = torch.convolution(
            first, second, bias, attributes["strides"], list(before) if symmetric else [0] * rank,
            attributes["dilations"], op == "ConvTranspose", attributes.get("output_padding", (0,) * rank),
            attributes["group"],
        )  # fmt: skip
    return made


def _own_type(x: torch.Tensor) -> Array:
    """A copy of a tensor in its own type.

    Raises:
        ModelError: a type, a device or a layout that is not emulated.
    """
    own = {torch.float16: np.dtype(np.float16), torch.bfloat16: np.dtype(ml_dtypes.bfloat16)}
    return np.array(to_array(x), own.get(x.dtype, np.dtype(np.float32)), order="C")


def _plain(x: torch.Tensor) -> Array:
    """Any tensor as an array, to be hashed."""
    x = x.detach().cpu().resolve_neg().resolve_conj()
    try:
        return np.asarray(x.numpy())
    except TypeError:  # a type that NumPy does not have: its bytes
        return np.asarray(x.contiguous().reshape(-1).view(torch.uint8).numpy())


def _tensors(arguments: Any) -> Iterator[torch.Tensor]:
    """The tensors among arguments, in containers too."""
    if isinstance(arguments, torch.Tensor):
        yield arguments
    elif isinstance(arguments, Mapping):
        for one in arguments.values():
            yield from _tensors(one)
    elif isinstance(arguments, list | tuple):
        for one in arguments:
            yield from _tensors(one)

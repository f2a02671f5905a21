"""What a model's emulation knows: the accelerator, where in the model it is, what ran where, how often.

Names of products. The first that holds:

1. in a Linear or a convolution, and in a module of torch.nn without modules inside (LayerNorm, …): the module's
   qualified name, `encoder.0.fc1`;
2. by a parameter of the module that is running, or of one inside it: `attn.out_proj` for `attn.out_proj.weight`,
   `attn/in_proj` for `attn.in_proj_weight`;
3. the running module's name and what is done: `attn/qk`, `attn/pv`, `block/matmul`; in the model itself just `matmul`.

The second product of a name in one call of its module gets `_2`, and so on. A module that is in the model under several
names has the first.

Weights are parameters and buffers of the model and views of them, unless they were written to since the model's forward
began (a cache is no weight); the second operand of linear and conv is weights in any case.

Seeds. A unit or scheme with stochastic rounding draws anew in every call of a layer (`emu.layers.seeds`), from the
accelerator's seed, or that of `emulate`. The first forward of all is so that of `emu.replay` and `emu.matmul`.
`Emulation.steps` holds the number of every layer's next call: save it with a checkpoint, and set it to go on where one
stopped.

An emulated model is used by one thread at a time.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from emu.accelerators import Accelerator, FallbackOps, LayerPlan, Pass
from emu.errors import ModelError
from emu.layers.gemm import Lowered
from emu.layers.seeds import seed_of_call
from emu.layers.static import Static
from emu.replaying.result import FallbackReason
from emu.schemes import Quantised
from emu.vector import VectorUnit, vector_unit

SINGLE = (torch.nn.Linear, torch.nn.modules.conv._ConvNd)
"""Modules that are one product, whatever becomes of their weights before (parametrizations)."""


class Clipping(enum.Enum):
    """The derivative of quantisation: 1, but for elements beyond the format's range if so wished."""

    THROUGH = "pass"
    """1 everywhere: straight through"""
    ZERO = "zero"
    """0 where a forward operand was clamped to the largest finite value: straight through within the range"""


@dataclass(kw_only=True)
class LayerUse:
    """A product of the model that a unit runs."""

    name: str
    op: str
    """`Gemm`, `MatMul`, `Conv`, `ConvTranspose` or `Einsum`: what rules match"""
    unit: str
    """of the forward product"""
    passes: Counter[Pass] = field(default_factory=Counter)
    """how many products of each kind have run"""


@dataclass(frozen=True, kw_only=True)
class Fallback:
    """Something that ran in PyTorch's own arithmetic."""

    name: str
    op: str
    """PyTorch's name of the function"""
    reason: FallbackReason


@dataclass(kw_only=True)
class Frame:
    """A module whose forward is running."""

    name: str
    module: torch.nn.Module
    seen: Counter[str] = field(default_factory=Counter)
    roles: list[str] = field(default_factory=list)
    """what the next products are called (attention)"""

    @property
    def single(self) -> bool:
        """Whether all that it does goes by its own name."""
        if isinstance(self.module, SINGLE):
            return True
        of_torch = type(self.module).__module__.startswith("torch.nn.modules")
        return of_torch and not self.module._modules


@dataclass(frozen=True, kw_only=True, eq=False)
class Owned:
    """A parameter or buffer when the forward began."""

    name: str
    tensor: torch.Tensor
    version: int | None


@dataclass(frozen=True, kw_only=True, eq=False)
class _Kept:
    """Weights as a unit got them."""

    b: NDArray[Any]
    columns: Quantised


class Emulation:
    """The emulation of one model; `emu.torch.emulation(model)` finds it."""

    recorder: Callable[..., torch.Tensor] | None = None
    """runs the products in the accelerator's place; arguments as for `emu.torch.products.product`"""

    def __init__(
        self, root: torch.nn.Module, accelerator: Accelerator, *,
        layers: str, backend: str | None, seed: int | None, clipping: Clipping,
    ) -> None:  # fmt: skip
        self.root, self.accelerator, self.glob, self.backend = root, accelerator, layers, backend
        self.seed, self.clipping = seed, clipping
        self.vector: VectorUnit | None = None if accelerator.vector is None else vector_unit(accelerator.vector)
        self.layers: dict[str, LayerUse] = {}
        """by name, in the order in which they first ran"""
        self.fallbacks: dict[tuple[str, str], Fallback] = {}
        self.steps: Counter[str] = Counter()
        """forward calls of each layer so far"""
        self.scales: dict[str, Static] = {}
        """of activations with a static range, by layer: operands a and b of the unit (`emu.torch.calibration`)"""
        self.frames: list[Frame] = []
        self._owned: dict[int, list[Owned]] = {}
        self._kept: dict[str, _Kept] = {}

    def __deepcopy__(self, memo: dict[int, Any]) -> Emulation:
        from copy import deepcopy

        other = Emulation.__new__(Emulation)
        memo[id(self)] = other
        other.__init__(  # type: ignore[misc]
            deepcopy(self.root, memo), self.accelerator, layers=self.glob, backend=self.backend, seed=self.seed,
            clipping=self.clipping,
        )  # fmt: skip
        other.steps, other.scales = Counter(self.steps), dict(self.scales)
        return other

    # where in the model

    @contextmanager
    def inside(self, name: str, module: torch.nn.Module) -> Iterator[None]:
        """A module's forward is running."""
        from emu.torch.mode import EmulationMode

        frame = Frame(name=name, module=module)
        if self.frames:
            self.frames.append(frame)
            try:
                yield
            finally:
                self.frames.pop()
            return
        self._owned = _owned(self.root)
        self.frames.append(frame)
        try:
            with EmulationMode(self):
                yield
        finally:
            self.frames.clear()
            self._owned = {}
        if module is self.root:
            self._refuse_idle()

    def _refuse_idle(self) -> None:
        """A glob that selects nothing is an error, as in a replay."""
        if not self.layers and self.glob != "*":
            deselected = [one.name for one in self.fallbacks.values() if one.reason is FallbackReason.NOT_SELECTED]
            raise ModelError(f"no layer matches {self.glob!r}; the layers are: {', '.join(deselected[:12])}")

    def owner(self, x: torch.Tensor) -> Owned | None:
        """The parameter or buffer that a tensor is a part of, if it is as it was when the forward began."""
        for owned in self._owned.get(_memory(x), ()):
            if owned.version is None or owned.version == owned.tensor._version:
                return owned
        return None

    def name(self, kind: str, weights: torch.Tensor | None = None) -> str:
        """What is being done now is called so.

        Args:
            kind: what it is, where the place alone does not say it.
            weights: the second operand, which may be a parameter.
        """
        frame = self.frames[-1]
        name = frame.name if frame.single and frame.name else self._by_owner(frame, weights)
        if name is None:
            if kind == "matmul" and frame.roles:
                kind = frame.roles.pop(0)
            name = f"{frame.name}/{kind}" if frame.name else kind
        frame.seen[name] += 1
        return name if frame.seen[name] == 1 else f"{name}_{frame.seen[name]}"

    def _by_owner(self, frame: Frame, weights: torch.Tensor | None) -> str | None:
        owned = None if weights is None else self.owner(weights)
        prefix = f"{frame.name}." if frame.name else ""
        if owned is None or not owned.name.startswith(prefix):
            return None
        module, _, parameter = owned.name.rpartition(".")
        part = parameter.removesuffix("weight").removesuffix("_")
        if not part:
            return module or None
        return f"{module}/{part}" if module else part

    def place(self) -> str:
        """The running module's name."""
        return self.frames[-1].name

    # what runs where

    def selects(self, name: str) -> bool:
        """Whether `layers` matches."""
        return fnmatchcase(name, self.glob)

    def fall_back(self, name: str, op: str, reason: FallbackReason) -> None:
        """Something runs in PyTorch's arithmetic; what `layers` leaves out is no fallback of the accelerator's.

        Raises:
            ModelError: the accelerator has `fallback.ops = "error"`.
        """
        reason = reason if self.selects(name) else FallbackReason.NOT_SELECTED
        self.fallbacks.setdefault((name, op), Fallback(name=name, op=op, reason=reason))
        lenient = reason is FallbackReason.NOT_SELECTED or (reason is FallbackReason.VECTOR and self.vector is None)
        if self.accelerator.fallback is FallbackOps.ERROR and not lenient:
            raise ModelError(
                f"{name!r}: {op} would fall back to PyTorch's arithmetic ({reason.value}), "
                f'and accelerator {self.accelerator.name} has fallback.ops = "error"'
            )

    def begin(self, name: str, op: str) -> int:
        """A product is to run: its call's number."""
        if name not in self.scales:
            self.accelerator.require_dynamic(name, op)
        step = self.steps[name]
        self.steps[name] += 1
        self.layers.setdefault(name, LayerUse(name=name, op=op, unit=self.accelerator.plan(name, op).unit.name))
        return step

    def plan(self, name: str, op: str, which: Pass, step: int, product: int) -> LayerPlan:
        """How a product is run, with the seed of this call.

        Args:
            name: the layer's.
            op: its operator.
            which: the pass.
            step: the number of the layer's call.
            product: 0 forward, 1 and 2 for the gradients of the operands.
        """
        plan = self.accelerator.plan(name, op, which)
        self.layers[name].passes[which] += 1
        if not plan.stochastic:
            return plan
        own = self.seed
        return plan.reseeded(lambda seed: seed_of_call(seed if own is None else own, step, product))

    # weights

    def kept(self, name: str, lowered: Lowered) -> Quantised | None:
        """Quantised weights of an earlier call, if every bit of the weights is as it was."""
        found = self._kept.get(name)
        if found is None or found.b.shape != lowered.b.shape or not _same_bits(found.b, lowered.b):
            return None
        return found.columns

    def keep(self, name: str, lowered: Lowered, columns: Quantised) -> None:
        """Keep quantised weights for the next call."""
        self._kept[name] = _Kept(b=lowered.b.copy(order="K"), columns=columns)


def _same_bits(x: NDArray[Any], y: NDArray[Any]) -> bool:
    return bool(np.array_equal(x.view(np.uint32), y.view(np.uint32)))


def _memory(x: torch.Tensor) -> int:
    lazy = isinstance(x, torch.nn.parameter.UninitializedTensorMixin)
    return 0 if lazy or x.layout is not torch.strided else x.untyped_storage().data_ptr()


def _owned(root: torch.nn.Module) -> dict[int, list[Owned]]:
    out: dict[int, list[Owned]] = {}
    for name, tensor in (*root.named_parameters(), *root.named_buffers()):
        where = _memory(tensor)
        if where:
            version = None if tensor.is_inference() else tensor._version
            out.setdefault(where, []).append(Owned(name=name, tensor=tensor, version=version))
    return out

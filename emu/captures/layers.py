"""Captured layers: the operator, its operands, and what the model made of them.

Every layer stands alone. `load` gives them; `CapturedLayer.lower` makes of one what `emu.layers` runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emu.accelerators import KOrder
from emu.captures.header import Source
from emu.errors import ModelError, nearest
from emu.layers.gemm import Array, Lowered
from emu.layers.lowering import lower
from emu.replaying.walk import attributes_of

if TYPE_CHECKING:
    from onnx import NodeProto


@dataclass(frozen=True, kw_only=True, eq=False)
class CapturedLayer:
    """One layer with its tensors."""

    name: str
    node: NodeProto
    opset: int
    """version of the operator's domain"""
    operands: tuple[Array | None, ...]
    """in the operator's order; None for one that is left out"""
    constant: tuple[bool, ...]
    """which operands are weights: the model holds them"""
    output: Array
    """what the reference made: the ONNX reference engine, or PyTorch"""

    @property
    def op(self) -> str:
        """The ONNX operator."""
        return str(self.node.op_type)

    @property
    def domain(self) -> str:
        """The operator's domain; empty for ONNX's own."""
        return str(self.node.domain)

    @property
    def operand_names(self) -> tuple[str, ...]:
        """Names of the operands' tensors; empty for one that is left out."""
        return tuple(self.node.input)

    @property
    def output_name(self) -> str:
        """Name of the output's tensor."""
        return str(self.node.output[0])

    @cached_property
    def attributes(self) -> dict[str, Any]:
        """The operator's attributes as Python values."""
        return attributes_of(self.node)

    @property
    def nbytes(self) -> int:
        """Bytes of the operands and the output."""
        return sum(x.nbytes for x in (*self.operands, self.output) if x is not None)

    def lower(self, k_order: KOrder = KOrder.C_KH_KW) -> Lowered:
        """The layer as a product that units and plain arithmetic run.

        Raises:
            ModelError: shapes that do not go together, or another output than the captured one.
        """
        try:
            lowered = lower(
                self.op, self.operands, self.attributes, constant=self.constant[:2], k_order=k_order,
                names=self.operand_names[:2],
            )  # fmt: skip
        except (ValueError, TypeError, OverflowError) as error:
            raise ModelError(f"captured layer {self.name!r}: {' '.join(str(error).split())}") from None
        if lowered.output_shape != self.output.shape:
            raise ModelError(
                f"captured layer {self.name!r}: its operands make an output of shape {list(lowered.output_shape)}, "
                f"and the captured one has {list(self.output.shape)}"
            )
        return lowered


@dataclass(frozen=True, kw_only=True, eq=False)
class Capture(Sequence[CapturedLayer]):
    """The layers of one file, in the model's order."""

    path: Path
    emu: str
    """version that wrote it"""
    source: Source
    model: str
    model_sha256: str
    inputs_sha256: str
    opsets: dict[str, int]
    layers: tuple[CapturedLayer, ...]

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[CapturedLayer]:
        return iter(self.layers)

    def __getitem__(self, index: Any) -> Any:
        """A layer by place or by name."""
        if not isinstance(index, str):
            return self.layers[index]
        found = next((layer for layer in self.layers if layer.name == index), None)
        if found is None:
            close = nearest(index, [layer.name for layer in self.layers])
            raise KeyError(f"{self.path}: no layer {index!r}" + (f"; did you mean {close!r}?" if close else ""))
        return found

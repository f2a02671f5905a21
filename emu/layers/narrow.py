"""The same layer with fewer channels: the shape of a product with some of them alone."""

from __future__ import annotations

from dataclasses import replace

from emu.layers.conv import ConvGeometry
from emu.layers.einsum import EinsumGeometry
from emu.layers.gemm import Geometry
from emu.layers.matmul import MatMulGeometry


def narrowed(geometry: Geometry, channels: int) -> Geometry:
    """The geometry with so many input channels.

    Raises:
        ValueError: an operator whose channels cannot be taken out.
    """
    match geometry:
        case MatMulGeometry():
            return replace(geometry, k=channels)
        case EinsumGeometry():
            return replace(geometry, product=replace(geometry.product, k=channels))
        case ConvGeometry() if geometry.groups == 1:
            return replace(geometry, channels=channels)
    raise ValueError(
        "channels can be taken out of MatMul, Gemm, Einsum and Conv without groups: give this layer a rule of its own"
    )

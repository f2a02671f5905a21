"""Accelerators with one deliberately bad stage; all their other stages are far better.

Operands, products, sums and outputs are float32 unless a machine says otherwise; operands come from `Draw`s that suit
the machine: integers where it multiplies integers, large numbers where its range is to be left.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from emu.attribution import Stage

FLOAT32 = dict.fromkeys("abcd", "float32")
CAST = {"scheme": "cast"}
K = 96


def unit(*levels: dict[str, Any], operands: dict[str, str] | None = None, **keys: Any) -> dict[str, Any]:
    """A unit of these levels."""
    return {"name": "made", "operands": FLOAT32 | (operands or {}), "level": list(levels) or [{}], **keys}


def normal(rng: np.random.Generator, *shape: int) -> Any:
    """Like activations."""
    return rng.standard_normal(shape)


def large(rng: np.random.Generator, *shape: int) -> Any:
    """Products of about 30, sums of some hundreds."""
    return 5 * rng.standard_normal(shape)


def small(rng: np.random.Generator, *shape: int) -> Any:
    """Sums below 2^-6."""
    return 2.0**-6 * rng.standard_normal(shape)


def bytes_(rng: np.random.Generator, *shape: int) -> Any:
    """Whole numbers of 8 bits."""
    return rng.integers(-127, 128, shape)


def nibbles(rng: np.random.Generator, *shape: int) -> Any:
    """Whole numbers from 0 to 15."""
    return rng.integers(0, 16, shape)


def two_signs(rng: np.random.Generator, *shape: int) -> Any:
    """Columns of one sign each, in turn: the sum as it comes stays small, two lanes grow apart."""
    columns = np.where(np.arange(K) % 2, -1, 1 + 2.0**-6)
    x = columns if len(shape) == 2 and shape[1] == K else np.ones(1)
    return np.broadcast_to(x, shape) * (1 + rng.integers(0, 2, (shape[0], 1)) if shape[1] == K else 1)


@dataclass(frozen=True, kw_only=True)
class Machine:
    """An accelerator and what to run on it."""

    stage: Stage
    unit: dict[str, Any]
    draw: Any = normal
    keys: dict[str, Any] = field(default_factory=dict)
    """of `[matrix]`"""

    @property
    def accelerator(self) -> dict[str, Any]:
        """As `emu.replay` takes it."""
        matrix = {"unit": self.unit, "activations": CAST, "weights": CAST} | self.keys
        return {"name": "bad", "matrix": matrix}


INT8 = {"a": "int8", "b": "int8", "c": "int32", "d": "int32"}
INT16 = {"a": "int16", "b": "int16", "c": "float32", "d": "float32"}
ROWS_AND_COLUMNS = {
    "activations": {"scheme": "absmax", "per": "token"}, "weights": {"scheme": "absmax", "per": "channel"},
}  # fmt: skip
SCALES = {side: {"format": "float32", "block": 16} for side in "ab"}
SCALED = ({"length": 16}, {"input": {"multiply": "scale"}})
EVENS_FIRST = [*range(0, K, 2), *range(1, K, 2)]

MACHINES = {
    "operand a, coarse": Machine(stage=Stage.OPERAND_A, unit=unit(operands={"a": "float6_e2m3fn"})),
    "operand a, four bits": Machine(stage=Stage.OPERAND_A, unit=unit(operands={"a": "int4", "b": "int16"}),
        keys=ROWS_AND_COLUMNS),
    "operand b, coarse": Machine(stage=Stage.OPERAND_B, unit=unit(operands={"b": "float6_e2m3fn"})),
    "operand b, four bits": Machine(stage=Stage.OPERAND_B, unit=unit(operands={"a": "int16", "b": "int4"}),
        keys=ROWS_AND_COLUMNS),
    "product, rounded": Machine(stage=Stage.PRODUCT, unit=unit(product={"result": {"format": "e8m2"}})),
    "product, cut": Machine(stage=Stage.PRODUCT, unit=unit(product={
        "result": {"format": "e8m3", "rounding": "toward_zero"}})),
    "product, a table": Machine(stage=Stage.PRODUCT, draw=nibbles, unit={
        "extends": "approx-mul-int4", "name": "made", "level": [{}],
        "operands": {"a": "uint4", "b": "uint4", "c": "int32", "d": "int32"}}),
    "alignment, cut": Machine(stage=Stage.ALIGNMENT, unit=unit({"group": 16, "align_bits": 3})),
    "alignment, in an outer level": Machine(stage=Stage.ALIGNMENT, unit=unit(
        {"length": 8}, {"group": 4, "align_bits": 3})),
    "accumulator, coarse": Machine(stage=Stage.PRECISION, unit=unit({"result": {"format": "e8m4"}})),
    "accumulator, coarse and cut": Machine(stage=Stage.PRECISION, unit=unit(
        {"result": {"format": "e8m6", "rounding": "toward_zero"}})),
    "accumulator, few fraction bits": Machine(stage=Stage.PRECISION, unit=unit(
        {"result": {"format": {"kind": "fixed", "bits": 40, "frac_bits": 2}, "overflow": "saturate"}})),
    "accumulator, of promotion": Machine(stage=Stage.PRECISION, unit=unit(
        {"length": 8, "result": {"format": "float32"}}, {"result": {"format": "e8m4"}})),
    "range, saturated": Machine(stage=Stage.RANGE, draw=large, unit=unit(
        {"result": {"format": "e3m23", "overflow": "saturate"}})),
    "range, wrapped": Machine(stage=Stage.RANGE, draw=bytes_, unit=unit(
        {"result": {"format": "int18", "overflow": "wrap"}}, operands=INT8)),
    "range, saturated integers": Machine(stage=Stage.RANGE, draw=bytes_, unit=unit(
        {"result": {"format": "int16", "overflow": "saturate"}}, operands=INT8)),
    "range, flushed": Machine(stage=Stage.RANGE, draw=small, unit=unit(
        {"result": {"format": {"name": "no subnormals", "exp_bits": 4, "man_bits": 23, "subnormals": "none"}}})),
    "order, lanes": Machine(stage=Stage.ORDER, draw=two_signs, unit=unit(
        {"lanes": 2, "start": "zero", "result": {"format": "e8m8"}}, {"result": {"format": "e8m8"}})),
    "order, permuted": Machine(stage=Stage.ORDER, draw=two_signs, unit=unit(
        {"order": EVENS_FIRST, "result": {"format": "e8m8"}})),
    "scale, products of scales rounded": Machine(stage=Stage.SCALE, keys=ROWS_AND_COLUMNS, unit=unit(
        *SCALED, operands=INT16, scale=SCALES | {"product": {"format": "e8m1"}})),
    "scale, products of scales cut": Machine(stage=Stage.SCALE, keys=ROWS_AND_COLUMNS, unit=unit(
        *SCALED, operands=INT16, scale=SCALES | {"product": {"format": "e8m2", "rounding": "toward_zero"}})),
    "output, of the layer": Machine(stage=Stage.OUTPUT, unit=unit(), keys={"output": "float8_e5m2"}),
    "output, d": Machine(stage=Stage.OUTPUT, unit=unit(operands={"d": "e8m3"})),
    "output, a pipe": Machine(stage=Stage.OUTPUT, unit=unit(output={"format": "e8m2"})),
}  # fmt: skip

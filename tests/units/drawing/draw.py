"""One draw: a unit, operands for it, and what is remarkable about them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from random import Random
from typing import Any

import numpy as np

from tests.oracle.codes import Format
from tests.oracle.model import Builder, Unit
from tests.oracle.support import SPEC
from tests.oracle.values import Num

from . import additions, codes, formats, units


@dataclass(frozen=True, kw_only=True)
class Draw:
    """A unit and one problem for it."""

    number: int
    """what it was drawn from"""
    unit: dict[str, Any] | str
    operands: dict[str, np.ndarray]
    """a, b, and c, a_scale, b_scale, a_zero, b_zero where the unit has them"""
    seed: int | None
    """of the random stream; None: nothing is stochastic"""
    remarks: set[str] = field(default_factory=set)

    def __str__(self) -> str:
        arrays = "\n".join(f"{name} = {_hex(x)}" for name, x in self.operands.items())
        return f"# draw {self.number}\n{toml(self.unit)}\n# operands, seed = {self.seed}\n{arrays}"


def toml(unit: dict[str, Any] | str) -> str:
    """The unit as TOML: one line for each key, inline tables below."""
    if isinstance(unit, str):
        return unit
    lines = []
    for key, value in unit.items():
        if key == "level":
            lines += [
                line for level in value for line in ("[[level]]", *(f"{k} = {_inline(v)}" for k, v in level.items()))
            ]
        else:
            lines.insert(0, f"{key} = {_inline(value)}")
    return "\n".join(lines)


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(k)} = {_inline(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_inline(item) for item in value) + "]"
    return json.dumps(value)


def _hex(array: np.ndarray) -> str:
    if array.ndim == 0:
        return hex(int(array))
    return "[" + ", ".join(_hex(row) for row in array) + "]"


def _stochastic(value: Any) -> bool:
    if isinstance(value, dict):
        return value.get("rounding") == "stochastic" or any(_stochastic(inner) for inner in value.values())
    return isinstance(value, list) and any(_stochastic(inner) for inner in value)


def built(unit: dict[str, Any] | str) -> Unit:
    """What a unit means."""
    return Builder(formats.known(), SPEC / "units").build(unit)


def draw(number: int) -> Draw:
    """The draw of a number."""
    r = Random(number)
    k = r.choice([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 16, 17, 21, 24])
    m, n, batch = r.choice([1, 1, 1, 2]), r.choice([1, 1, 2, 3]), r.choice([(), (), (), (), (2,)])
    kind = r.random()
    if kind < 0.06:
        unit = units.exact_unit(r)
    elif kind < 0.09:
        unit, k = _called(r, k)
    else:
        unit, k = units.unit(r, k, n)
    unit = additions.with_nan_to(Random(f"nan_to {number}"), unit)  # a stream of its own: the rest stays what it was
    described = built(unit)
    meant = {name: operand.format for name, operand in described.operands.items()}
    style = "cancelling" if kind < 0.06 else r.choice(codes.STYLES)
    a = codes.array(r, meant["a"], (*batch, m, k), style)
    b = codes.array(r, meant["b"], (*(batch if r.random() < 0.5 else ()), k, n), style)
    if style == "cancelling":
        codes.cancel(r, a, b, meant["a"])
    operands = {"a": a, "b": b}
    if "c" in meant and r.random() < 0.9:
        shape = (*batch, m, n) if r.random() < 0.8 else (1, n)
        operands["c"] = codes.array(r, meant["c"], shape, r.choice([style, "near", "special"]))
    for side, rows in (("a", m), ("b", n)):
        lead = (batch or (2,)) if r.random() < 0.1 else ()
        if side in described.scales:
            scale = described.scales[side]
            operands[f"{side}_scale"] = codes.array(
                r, scale.format, (*lead, *scale.shape(side, rows, k)), r.choice(["near", "near", "finite", "special"])
            )
        point = described.operands[side].zero
        if point and r.random() < 0.9:
            shape = () if r.random() < 0.2 else (*lead, *point.shape(side, rows, k))
            operands[f"{side}_zero"] = codes.array(
                r, point.format, shape, r.choice(["integers", "uniform", "boundary", style])
            )
    seed = r.getrandbits(r.choice([8, 64])) if _stochastic(unit) else None
    remarks = _remarks(unit, operands, meant, k) | _additions(unit, described)
    return Draw(number=number, unit=unit, operands=operands, seed=seed, remarks=remarks)


def _called(r: Random, k: int) -> tuple[dict[str, Any] | str, int]:
    """An instruction with parameters, and a K that it can run."""
    unit = additions.called(r)
    described = built(unit)
    if described.k is not None and described.operands["c"].format != described.operands["d"].format:
        k = min(k, described.k)
    return unit, k


def _additions(unit: dict[str, Any] | str, described: Unit) -> set[str]:
    """What of the later additions to the language is in a unit."""
    product = described.product
    lists = [
        ("input", step) for level in described.levels for step in level.input
    ] + [("output", step) for step in described.output]  # fmt: skip
    found = {
        "zero points": any(operand.zero for operand in described.operands.values()),
        "zero points by block": any(operand.zero and operand.zero.block for operand in described.operands.values()),
        "split": any(product.split),
        "terms of parts": any(product.split) and product.terms is not None,
        "terms of digits": product.digits is not None and product.terms is not None,
        "scale in output": any(isinstance(step.multiply, str) for step in described.output),
        "parameters at the point of use": "(" in (unit if isinstance(unit, str) else str(unit.get("base", ""))),
        "nan_to": "'nan_to'" in str(unit),
        "requantize": not isinstance(unit, str) and "requantize" in unit,
    }
    for where in ("input", "output"):
        for key in ("multiply", "add"):
            found[f"{key} list in {where}"] = any(
                isinstance(getattr(step, key), tuple) and not isinstance(getattr(step, key), Num)
                for place, step in lists
                if place == where
            )
    return {name for name, there in found.items() if there}


def _remarks(unit: dict[str, Any] | str, operands: dict[str, np.ndarray], meant: dict[str, Format], k: int) -> set[str]:
    """What the acceptance asks to have among the draws."""
    found = set()
    for name, array in operands.items():
        if name in meant:
            found |= {"nan"} if codes.holds_nan(meant[name], array) else set()
            found |= {"infinity"} if codes.holds_infinity(meant[name], array) else set()
            found |= {"subnormal"} if codes.holds_subnormal(meant[name], array) else set()
    if k == 0:
        found.add("K = 0")
    if isinstance(unit, str):
        return found
    if any(k % level.get("group", 1) for level in unit["level"][:1]):
        found.add("K not a multiple of group")
    inner = unit["level"][0]
    if "base" not in unit and "align_bits" not in inner:
        wide = {"bfloat16", "float32", "float64"} & {meant["a"].name, meant["b"].name}
        found |= {f"exact level over {name}" for name in wide}
        if _cancels(operands["a"], operands["b"], meant["a"], meant["b"]) > 128:
            found.add("cancellation across > 128 bits")
    return found


def _cancels(a: np.ndarray, b: np.ndarray, fmt_a: Format, fmt_b: Format) -> int:
    """Bits between the largest product and the largest of the pieces left when the largest ones cancel exactly."""
    k = a.shape[-1]
    if k < 3:
        return 0
    first = b.reshape(-1, *b.shape[-2:])[0]
    row = [fmt_a.decode(int(code)) for code in a.reshape(-1, k)[0]]
    column = [fmt_b.decode(int(code)) for code in first[:, 0]]
    products = [
        (x.m * y.m, x.q + y.q) for x, y in zip(row, column, strict=True) if isinstance(x, Num) and isinstance(y, Num)
    ]
    products = [(m, q) for m, q in products if m]
    if len(products) < len(row) or len(products) < 3:
        return 0
    low = min(q for _, q in products)
    total = abs(sum(m << q - low for m, q in products))
    largest = max(abs(m) << q - low for m, q in products)
    return largest.bit_length() - total.bit_length() if total else 0

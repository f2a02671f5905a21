"""One draw: a unit, operands for it, and what is remarkable about them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from random import Random
from typing import Any

import numpy as np

from tests.oracle.codes import Format
from tests.oracle.values import Num

from . import codes, formats, units


@dataclass(frozen=True, kw_only=True)
class Draw:
    """A unit and one problem for it."""

    number: int
    """what it was drawn from"""
    unit: dict[str, Any]
    operands: dict[str, np.ndarray]
    """a, b, and c, a_scale, b_scale where the unit has them"""
    seed: int | None
    """of the random stream; None: nothing is stochastic"""
    remarks: set[str] = field(default_factory=set)

    def __str__(self) -> str:
        arrays = "\n".join(f"{name} = {_hex(x)}" for name, x in self.operands.items())
        return f"# draw {self.number}\n{toml(self.unit)}\n# operands, seed = {self.seed}\n{arrays}"


def toml(unit: dict[str, Any]) -> str:
    """The unit as TOML: one line for each key, inline tables below."""
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


def draw(number: int) -> Draw:
    """The draw of a number."""
    r = Random(number)
    k = r.choice([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 16, 17, 21, 24])
    directed = r.random() < 0.06
    unit, k = (units.exact_unit(r), k) if directed else units.unit(r, k)
    m, n, batch = r.choice([1, 1, 1, 2]), r.choice([1, 1, 2, 3]), r.choice([(), (), (), (), (2,)])
    described = {**unit.get("base", {}).get("unit", {}).get("operands", {}), **unit["operands"]}
    meant = {name: _meaning(spec) for name, spec in described.items()}
    style = "cancelling" if directed else r.choice(codes.STYLES)
    a = codes.array(r, meant["a"], (*batch, m, k), style)
    b = codes.array(r, meant["b"], (*(batch if r.random() < 0.5 else ()), k, n), style)
    if style == "cancelling":
        codes.cancel(r, a, b, meant["a"])
    operands = {"a": a, "b": b}
    if "c" in meant and r.random() < 0.9:
        shape = (*batch, m, n) if r.random() < 0.8 else (1, n)
        operands["c"] = codes.array(r, meant["c"], shape, r.choice([style, "near", "special"]))
    for side, scale in unit.get("scale", {}).items():
        if side in ("a", "b"):
            blocks = -(-k // scale["block"]) if "block" in scale else 1
            shape = (m, blocks) if side == "a" else (blocks, n)
            operands[f"{side}_scale"] = codes.array(
                r, _meaning(scale), shape, r.choice(["near", "near", "finite", "special"])
            )
    seed = r.getrandbits(r.choice([8, 64])) if _stochastic(unit) else None
    return Draw(number=number, unit=unit, operands=operands, seed=seed, remarks=_remarks(unit, operands, meant, k))


def _meaning(spec: Any) -> Format:
    return formats.meaning(spec["format"] if isinstance(spec, dict) and "format" in spec else spec)


def _remarks(unit: dict[str, Any], operands: dict[str, np.ndarray], meant: dict[str, Format], k: int) -> set[str]:
    """What the acceptance asks to have among the draws."""
    found = set()
    for name, array in operands.items():
        if name in meant:
            found |= {"nan"} if codes.holds_nan(meant[name], array) else set()
            found |= {"infinity"} if codes.holds_infinity(meant[name], array) else set()
            found |= {"subnormal"} if codes.holds_subnormal(meant[name], array) else set()
    if k == 0:
        found.add("K = 0")
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

"""Integer accumulators: every overflow rule at every moment it can apply, against a loop over Python's integers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emu import load_format, load_unit
from emu.units.unit import Unit

K = 3
WHEN = ("add", "group", "once", "pairs")


@dataclass(frozen=True)
class Integer:
    """A two's complement or unsigned format."""

    name: str

    @property
    def bits(self) -> int:
        return int(self.name.lstrip("uint"))

    @property
    def low(self) -> int:
        return 0 if self.name[0] == "u" else -(1 << self.bits - 1)

    @property
    def high(self) -> int:
        return self.low + (1 << self.bits) - 1

    def values(self) -> range:
        return range(self.low, self.high + 1)

    def put(self, x: int, overflow: str) -> int:
        if overflow == "saturate":
            return min(max(x, self.low), self.high)
        return (x - self.low) % (1 << self.bits) + self.low


@dataclass(frozen=True, kw_only=True)
class Alu:
    """One unit of the family `integer`."""

    when: str
    a: str = "int8"
    b: str = "int8"
    acc: str = "int32"
    overflow: str = "wrap"
    group: int = 2
    pair: str = "int16"
    pair_overflow: str = "saturate"

    def unit(self, **zeros: str) -> Unit:
        keys: dict[str, Any] = {"a": self.a, "b": self.b, "acc": self.acc, "overflow": self.overflow, **zeros}
        if self.when == "group":
            keys["group"] = self.group
        if self.when == "pairs":
            keys |= {"pair": self.pair, "pair_overflow": self.pair_overflow}
        return load_unit(f"integer:{self.when}({', '.join(f'{key}={value}' for key, value in keys.items())})")

    def dot(self, a: Sequence[int], b: Sequence[int], c: int) -> int:
        """What it computes of operands whose zero points are taken off."""
        return self.total(tuple(x * y for x, y in zip(a, b, strict=True)), c)

    @lru_cache(maxsize=4096)  # noqa: B019 (few units, and narrow operands have few products)
    def total(self, products: tuple[int, ...], c: int) -> int:
        """Its sum of products, one after the other."""
        acc, total = Integer(self.acc), c
        if self.when == "once":
            return acc.put(c + sum(products), self.overflow)
        step = self.group if self.when == "group" else 2 if self.when == "pairs" else 1
        for i in range(0, len(products), step):
            added = sum(products[i : i + step])
            if self.when == "pairs":
                added = Integer(self.pair).put(added, self.pair_overflow)
            total = acc.put(total + added, self.overflow)
        return total


def narrow() -> Iterator[Alu]:
    """Operands of 2 and 3 bits, accumulators of 3 to 5: everything overflows."""
    operands = [("int2", "int2"), ("uint2", "int2"), ("int2", "uint2"), ("int3", "uint3"), ("uint3", "int3")]
    for (a, b), acc, overflow in product(operands, ("int3", "uint4", "int5"), ("wrap", "saturate")):
        yield from (Alu(when=when, a=a, b=b, acc=acc, overflow=overflow) for when in ("add", "group", "once"))
        yield from (
            Alu(when="pairs", a=a, b=b, acc=acc, overflow=overflow, pair="int4", pair_overflow=rule)
            for rule in ("wrap", "saturate")
        )


def every(fmt: str, k: int) -> np.ndarray:
    """All vectors of k numbers, one a row."""
    return np.array(list(product(Integer(fmt).values(), repeat=k)))


@pytest.mark.parametrize("when", WHEN)
def test_all_operands(backend, when):
    """Every a, every b; c at both ends of the accumulator and in the middle."""
    for alu in narrow():
        if alu.when != when:
            continue
        unit, k = alu.unit(), 2 if "3" in alu.a else K
        a, b, c = every(alu.a, k), every(alu.b, k), Integer(alu.acc)
        if backend == "reference":  # the slow one sees some of them
            a, b = a[::7], b[::3]
        for start in (c.low, -1 if c.low else 1, c.high):
            third = np.full((len(a), len(b)), start & (1 << c.bits) - 1, dtype=unit.d.code_dtype)
            d = unit.d.decode(unit.matmul(a, b.T, third, backend=backend))
            left, right = a.tolist(), b.tolist()
            assert d.tolist() == [[alu.dot(x, y, start) for y in right] for x in left], (alu, start)


@given(st.data())
def test_any_width(data):
    """Operands of 2 to 16 bits in any mix, accumulators of 8 to 64, all backends."""
    operand = st.builds("{}{}".format, st.sampled_from(["int", "uint"]), st.integers(2, 16))
    when = data.draw(st.sampled_from(WHEN))
    width = data.draw(st.integers(8, 64))
    alu = Alu(
        when=when,
        a=data.draw(operand),
        b=data.draw(operand),
        acc=data.draw(st.sampled_from([f"int{width}", f"uint{width}"])),
        overflow=data.draw(st.sampled_from(["wrap", "saturate"])),
        group=data.draw(st.integers(1, 9)),
        pair=f"int{data.draw(st.integers(4, 33))}",
        pair_overflow=data.draw(st.sampled_from(["wrap", "saturate"])),
    )
    k = data.draw(st.integers(0, 20))
    a, b, c = (Integer(name) for name in (alu.a, alu.b, alu.acc))
    x, y = (data.draw(st.lists(st.integers(f.low, f.high), min_size=k, max_size=k)) for f in (a, b))
    start = data.draw(st.integers(c.low, c.high))
    unit, wanted = alu.unit(), alu.dot(x, y, start) & (1 << c.bits) - 1
    left = np.array(x, np.int64).reshape(1, k) & (1 << a.bits) - 1
    right = np.array(y, np.int64).reshape(k, 1) & (1 << b.bits) - 1
    third = np.array([[start & (1 << c.bits) - 1]], np.uint64).astype(unit.d.code_dtype)
    for backend in ("reference", "numba", "c"):
        d = unit.matmul(left.astype(unit.a.code_dtype), right.astype(unit.b.code_dtype), third, backend=backend)
        assert int(d[0, 0]) == wanted, (alu, backend)


@pytest.mark.parametrize("when", WHEN)
def test_run_time_zero_points(backend, when):
    """A code means code - zero point: one for each row of a and column of b."""
    alu = Alu(when=when, a="uint4", b="int4", acc="int9", overflow="saturate", pair="int8")
    unit, rng = alu.unit(a_zero="uint4", b_zero="int4"), np.random.default_rng(0)
    a, b = rng.integers(0, 16, (6, 7)), rng.integers(-8, 8, (7, 5))
    a_zero, b_zero = rng.integers(0, 16, (6, 1)), rng.integers(-8, 8, (1, 5))
    d = unit.matmul(a, b, a_zero=a_zero, b_zero=b_zero, backend=backend)
    x, y = (a - a_zero).tolist(), (b - b_zero).T.tolist()
    assert unit.d.decode(d).tolist() == [[alu.dot(p, q, 0) for q in y] for p in x]
    plain = unit.d.decode(unit.matmul(a, b, backend=backend)).tolist()  # no zero points: zeros
    assert plain == [[alu.dot(p, q, 0) for q in b.T.tolist()] for p in a.tolist()]


def test_the_rules_differ_where_they_should(backend):
    """127 · 127 twice, then taken off again: four moments, four results in 15 bits."""
    a, b = np.array([[127, 127, -127, -127]]), np.array([[127]] * 4)
    results = {
        when: load_format("int15").decode(
            Alu(when=when, acc="int15", overflow="saturate", group=3, pair="int14").unit().matmul(a, b, backend=backend)
        )[0, 0]
        for when in WHEN
    }
    top = 16383
    assert results == {"add": top - 2 * 16129, "group": 16129 - 16129, "once": 0, "pairs": 8191 - 8192}

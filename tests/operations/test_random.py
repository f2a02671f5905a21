"""Stochastic rounding with explicit bits, Philox and an LFSR, against the oracle's; numerics.md I.5."""

from __future__ import annotations

import numpy as np
import pytest

import emu
from tests.oracle.scalar.casting import How
from tests.oracle.scalar.exact import operate
from tests.oracle.scalar.formats import describe
from tests.oracle.stream import Draws

from .running import ARITY, assert_same, function, has

OPERATIONS = ["add", "sub", "mul", "div", "fma", "sqrt"]
TAPS = (0, 2, 3, 5)
"""x^16 + x^14 + x^13 + x^11 + 1, shifted right: the exponents' distances from 16."""


def lfsr(state: int, width: int = 16) -> int:
    """The next state of numerics.md's LFSR."""
    new = 0
    for tap in TAPS:
        new ^= state >> tap & 1
    return state >> 1 | new << (width - 1)


def expected(operation: str, name: str, operands: list[np.ndarray], random: list[int], **how: object) -> tuple:
    """The oracle's codes and flags."""
    fmt = describe(name)
    found = [
        operate(operation, [fmt] * len(codes), codes, How(fmt=fmt, rounding="stochastic", random=r, **how))
        for *codes, r in zip(*(x.ravel().tolist() for x in operands), random, strict=True)
    ]
    return tuple(np.array(part).reshape(operands[0].shape) for part in zip(*found, strict=True))


def codes(name: str, count: int, shape: tuple[int, ...], seed: int) -> list[np.ndarray]:
    """Random codes."""
    bits = describe(name).bits
    return [np.random.default_rng(seed + i).integers(0, 1 << bits, shape, dtype=np.uint32) for i in range(count)]


@pytest.mark.parametrize("variant", "ABC")
@pytest.mark.parametrize("operation", OPERATIONS)
def test_explicit_bits(operation, variant, backend):
    if not has(backend, operation) or (operation == "sqrt" and backend == "c"):
        return
    for name, bits in (("float16", 5), ("float8_e4m3fn", 1), ("bfloat16", 24), ("float32", 60)):
        operands = codes(name, ARITY[operation], (150,), 9)
        random = np.random.default_rng(1).integers(0, 1 << bits, 150, dtype=np.uint64)
        how = {"sr_bits": bits, "sr_variant": variant}
        result = function(operation)(
            *operands, name, rounding="stochastic", random=random, flags=True, backend=backend, **how
        )
        assert_same(result, *expected(operation, name, operands, random.tolist(), **how), operands, f"{name} {how}")


def test_bits_broadcast_with_the_operands():
    x, y = (np.array([[0x3C00], [0x4001]], np.uint16), np.array([0x0123, 0x1234, 0x2345], np.uint16))
    random = np.arange(6, dtype=np.uint64).reshape(2, 3)
    result = emu.add(x, y, "float16", rounding="stochastic", sr_bits=3, random=random, flags=True)
    full = [np.broadcast_to(x, (2, 3)), np.broadcast_to(y, (2, 3))]
    assert_same(result, *expected("add", "float16", full, random.ravel().tolist(), sr_bits=3), full, "broadcast")


@pytest.mark.parametrize(("seed", "step"), [(0, 0), (7, 3), (2**40 + 5, 2**33)])
def test_philox_is_keyed_by_seed_element_and_step(seed, step, backend):
    operands = codes("float16", 2, (4, 5), 2)
    random = []
    for index in range(20):
        draw = Draws(seed, index)
        draw.count = step
        random.append(draw() % (1 << 11))
    drawn = emu.Philox(seed, step=step).draws((4, 5), 11)
    assert drawn.shape == (4, 5) and drawn.dtype == np.uint64
    assert drawn.ravel().tolist() == random
    result = emu.mul(
        *operands, "float16", rounding="stochastic", sr_bits=11, random=emu.Philox(seed, step=step), flags=True,
        backend=backend,
    )  # fmt: skip
    assert_same(result, *expected("mul", "float16", operands, random, sr_bits=11), operands, "philox")


def test_philox_does_not_depend_on_other_elements():
    whole = emu.Philox(5).draws((6, 4), 64).ravel()
    assert np.array_equal(whole[:10], emu.Philox(5).draws((10,), 64))


def test_lfsr_of_numerics_i5():
    """x^16 + x^14 + x^13 + x^11 + 1, seed 0xACE1: period 65535."""
    state, period = lfsr(0xACE1), 1
    while state != 0xACE1:
        state, period = lfsr(state), period + 1
    assert period == 65535


def test_lfsr_draws(backend):
    """Element i has the low bits of the state after (i + 1) times `stride` steps, by default as many as it draws."""
    for stride, bits in ((None, 8), (1, 16), (3, 5)):
        state, states = 0xACE1, []
        for _ in range(12):
            for _ in range(stride or bits):
                state = lfsr(state)
            states.append(state & ((1 << bits) - 1))
        source = emu.Lfsr(0x16801, 0xACE1, 16, stride)
        assert source.draws((3, 4), bits).ravel().tolist() == states
        operands = codes("float16", 2, (3, 4), 5)
        result = emu.add(
            *operands, "float16", rounding="stochastic", sr_bits=bits, flags=True, backend=backend,
            random=emu.Lfsr(0x16801, 0xACE1, 16, stride),
        )  # fmt: skip
        assert_same(result, *expected("add", "float16", operands, states, sr_bits=bits), operands, "lfsr")


def test_lfsr_runs_through_its_period():
    drawn = emu.Lfsr(0x16801, 0xACE1, 16, 1).draws((65535,), 16)
    assert len(np.unique(drawn)) == 65535 and 0 not in drawn


def test_stochastic_needs_bits():
    x = np.array([1], np.uint16)
    with pytest.raises(ValueError, match="random"):
        emu.add(x, x, "float16", rounding="stochastic", sr_bits=4)

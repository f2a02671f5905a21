"""Products of training: exact ones against plain loops, and emulated ones where every sum is exact."""

from __future__ import annotations

import numpy as np
import pytest

from emu.accelerators import load_accelerator
from emu.formats import load_format
from emu.spec.locate import spec_root
from emu.spec.read import parse_toml
from emu.training.machine import Emulated, Exact
from emu.training.network import CONV

PLAIN = {"matrix": {"unit": "generic:fma(a=float32, b=float32, acc=float32)", "activations": {"scheme": "cast"},
                    "weights": {"scheme": "cast"}, "output": "float32"}}  # fmt: skip


def conv_loops(x, w, g):
    """The gradients of a 3x3 convolution with a pixel of zeros around, element by element."""
    _, c, h, wide = x.shape
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for i, o, y, z in np.ndindex(*g.shape):
        for k, u, v in np.ndindex(c, 3, 3):
            row, column = y + u - 1, z + v - 1
            if 0 <= row < h and 0 <= column < wide:
                dx[i, k, row, column] += g[i, o, y, z] * w[o, k, u, v]
                dw[o, k, u, v] += g[i, o, y, z] * x[i, k, row, column]
    return dx, dw


def integers(seed, *shape):
    """Small whole numbers: every sum of their products is exact in float32, in any order."""
    return np.random.default_rng(seed).integers(-8, 9, shape).astype(np.float32)


@pytest.mark.parametrize("machine", [Exact(), Emulated(load_accelerator(PLAIN))], ids=["exact", "emulated"])
def test_gradients_of_a_convolution(machine):
    x, w, g = integers(1, 3, 2, 4, 4), integers(2, 5, 2, 3, 3), integers(3, 3, 5, 4, 4)
    dx, dw = conv_loops(x, w, g)
    assert np.array_equal(machine.of_input("conv", "Conv", CONV, x, w, g), dx)
    assert np.array_equal(machine.of_weights("conv", "Conv", CONV, x, w, g), dw)


@pytest.mark.parametrize("machine", [Exact(), Emulated(load_accelerator(PLAIN))], ids=["exact", "emulated"])
def test_gradients_of_a_product(machine):
    x, w, g, b = integers(1, 7, 6), integers(2, 6, 5), integers(3, 7, 5), integers(4, 5)
    assert np.array_equal(machine.forward("p", "Gemm", {}, x, w, b), x @ w + b)
    assert np.array_equal(machine.of_input("p", "Gemm", {}, x, w, g), g @ w.T)
    assert np.array_equal(machine.of_weights("p", "Gemm", {}, x, w, g), x.T @ g)


def test_backward_products_have_the_units_of_their_passes():
    """On one operand of each: the even grid for the input's gradient, the odd one for the weights'."""
    machine = Emulated(load_accelerator("sun2020-int4"), {"hidden": 15.0})
    rng = np.random.default_rng(3)
    x, w = rng.uniform(0, 15, (4, 6)).astype(np.float32), rng.standard_normal((6, 5)).astype(np.float32)
    grads = {value: np.full((4, 5), value, np.float32) for value in (1.0, 2.0, 3.0, 4.0)}
    of_input = {value: machine.of_input("hidden", "Gemm", {}, x, w, g) for value, g in grads.items()}
    of_weights = {value: machine.of_weights("hidden", "Gemm", {}, x, w, g) for value, g in grads.items()}
    assert np.array_equal(of_input[2.0], of_input[1.0])  # even: 1, 4
    assert np.array_equal(of_input[3.0], of_input[4.0])
    assert np.array_equal(of_weights[3.0], of_weights[2.0])  # odd: 1/2, 2, 8
    assert np.array_equal(of_weights[4.0], of_weights[2.0])
    assert not np.array_equal(of_input[1.0], of_input[4.0])


def test_the_clip_is_the_learned_one():
    machine = Emulated(load_accelerator("sun2020-int4"), {"hidden": 3.0})
    x, w, g = np.array([[9.0, 1.0]], np.float32), np.zeros((2, 1), np.float32), np.full((1, 1), 2.0, np.float32)
    assert machine.of_weights("hidden", "Gemm", {}, x, w, g).ravel().tolist() == [6.0, 2.0]


def test_the_mean_of_both_phases_is_the_codebook_of_the_study():
    """Of magnitudes below 1/256, and from the odd grid's first threshold on; between the two it has no boundary."""
    study = parse_toml((spec_root() / "studies" / "two-phase-rounding.toml").read_text(encoding="utf-8"))
    keys = study["preset"]["mean"]["matrix.unit.operands.a.format"]
    x = np.random.default_rng(0).lognormal(0, 3, 20_000).astype(np.float32)
    edges = [2.0**e * m for e in range(-9, 7) for m in (0.625, 1.0, 1.25)]
    x = np.concatenate([x, edges, np.nextafter(np.float32(edges), np.float32(0))]).astype(np.float32)
    x = x[(x < 1 / 256) | (x >= 0.0048828125)]
    x = np.concatenate([x, -x])
    phases = [load_format(name).decode(load_format(name).encode(x)) for name in ("log4", "log4_odd")]
    given = load_format(keys)
    assert np.array_equal(given.decode(given.encode(x)), (phases[0] + phases[1]) / 2)

"""ZeroQuant's quantisers: worked examples, the identity of zero points, groups and tokens."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from emu import load_accelerator
from emu.formats import load_format
from emu.layers.emulate import emulate
from emu.layers.lowering import lower
from emu.layers.operands import operands_of
from emu.layers.prepare import prepare
from emu.schemes import Target, load_scheme

F32 = np.float32
EXAMPLE = F32([0, 0.1, 0.5, 1.3, 3])


@pytest.mark.parametrize(
    ("scheme", "fmt", "scale", "codes"),
    [
        ("absmax", "int4", F32(3) / F32(7), [0, 0, 1, 3, 7]),
        ("asymmetric", "uint4", F32(3) / F32(15), [0, 0, 2, 6, 15]),  # 0.1 / 0.2 is a tie
        ("deepspeed", "int4", F32(3 + 5e-6) / F32(8), [0, 0, 1, 3, 7]),  # 8 is clipped
    ],
)
def test_the_example_of_four_bits(scheme, fmt, scale, codes):
    fmt = load_format(fmt)
    made = load_scheme(scheme).quantise(EXAMPLE, Target(format=fmt))
    assert made.scale == scale
    assert fmt.decode(made.codes).tolist() == codes
    assert made.zero is None or made.zero == 0
    assert made.beyond.saturated == (scheme == "deepspeed")


def test_the_kernels_quantiser_multiplies_by_its_own_quotient():
    x = np.random.default_rng(0).standard_normal(4096).astype(F32)
    q_scale = F32(256) / (F32(2) * np.abs(x).max() + F32(1e-5))
    wanted = np.clip(np.rint(x * q_scale), -128, 127)
    made = load_scheme("deepspeed").quantise(x, Target(format=load_format("int8")))
    assert made.codes.view(np.int8).tolist() == wanted.tolist()
    assert (wanted == -128).any() or (wanted == 127).any()


def matrices(seed=7):
    rng = np.random.default_rng(seed)
    return (rng.standard_normal((3, 40)) + 2).astype(F32), rng.standard_normal((40, 5)).astype(F32)


@pytest.mark.parametrize("bits", [4, 8])
def test_zero_points_are_the_real_offset_in_integers(bits):
    """Σ (Sx qx + zx)(Sw qw) = Sx Sw Σ qx qw + zx Sw Σ qw, with zx = −Sx z; the unit gives Σ (qx − z) qw."""
    unit = f"integer:once(a=uint{bits},b=int{bits},a_zero=uint{bits})"
    keys = {
        "unit": unit,
        "activations": {"scheme": "asymmetric", "per": "token"},
        "weights": {"scheme": "absmax", "per": "channel"},
    }
    how = load_accelerator({"matrix": keys}).matrix
    x, w = matrices()
    operands = operands_of(lower("MatMul", [x, w], {}, constant=(False, True)), how)
    a, b = operands.a(0, 3), operands.b
    d = how.unit.matmul(a.codes, b.codes, a_zero=a.zero, backend="reference")
    found = how.unit.d.decode(d)[0]
    qx, qw = how.unit.a.decode(a.codes)[0].astype(int), how.unit.b.decode(b.codes)[0].astype(int)
    assert np.any(a.zero)
    for i in range(3):
        sx, z = Fraction(float(a.epilogue_scale[0, i, 0])), int(np.ravel(a.zero)[i])
        zx = -sx * z
        for j in range(5):
            sw = Fraction(float(b.epilogue_scale[0, 0, j]))
            real = sum((sx * int(qx[i, k]) + zx) * (sw * int(qw[k, j])) for k in range(40))
            dot, total = int(qx[i] @ qw[:, j]), int(qw[:, j].sum())
            assert real == sx * sw * dot + zx * sw * total == sx * sw * int(found[i, j])


def test_groups_of_asymmetric_weights_have_zero_points_of_their_own():
    unit = 'integer-groups:weights(a=int8,b=uint4,size=16,b_zero={format="uint4",block=16})'
    keys = {"unit": unit, "activations": {"scheme": "absmax", "per": "token"}}
    how = load_accelerator({"matrix": {**keys, "weights": {"scheme": "asymmetric", "per": "group"}}}).matrix
    x, w = matrices()
    found = operands_of(lower("MatMul", [x, w + 1], {}, constant=(False, True)), how).b
    for first in range(0, 40, 16):
        part = (w + 1)[first : first + 16]
        low, high = np.minimum(part.min(axis=0), F32(0)), np.maximum(part.max(axis=0), F32(0))
        scale = (high - low) / F32(15)
        assert found.unit_scale.view(np.float32)[0, first // 16].tolist() == scale.tolist()
        assert found.zero[0, first // 16].tolist() == np.rint(-low / scale).tolist()


@pytest.mark.parametrize("name", ["zeroquant", "zeroquant-v2"])
def test_the_accelerators_run(name):
    rng = np.random.default_rng(2)
    x, w = rng.standard_normal((6, 300)).astype(F32), rng.standard_normal((300, 20)).astype(F32)
    accelerator = load_accelerator(name)
    y = emulate(lower("MatMul", [x, w], {}, constant=(False, True)), accelerator.matrix).y
    exact = x.astype(float) @ w
    assert np.linalg.norm(y - exact) < 0.15 * np.linalg.norm(exact)
    scores = accelerator.plan("encoder.layer.0.attention.scores", "MatMul")
    q, k = rng.standard_normal((2, 5, 8)).astype(F32), rng.standard_normal((2, 8, 5)).astype(F32)
    both = lower("MatMul", [q, k], {}, constant=(False, False))
    assert np.abs(emulate(both, scores).y - q @ k).max() < 0.2


def test_low_rank_compensation_is_of_rank_eight():
    rng = np.random.default_rng(2)
    x, w = rng.standard_normal((6, 300)).astype(F32), rng.standard_normal((300, 20)).astype(F32)
    prepared = prepare(lower("MatMul", [x, w], {}, constant=(False, True)), load_accelerator("zeroquant-v2").matrix)
    ((second, how),) = prepared.seconds
    assert np.linalg.matrix_rank(second.b[0].astype(float), tol=1e-4) == 8
    assert (how.unit.a.name, how.unit.b.name) == ("float16", "float16")

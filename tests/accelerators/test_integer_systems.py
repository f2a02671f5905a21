"""Accelerators of published integer and block systems, against products written from their pages."""

from __future__ import annotations

import numpy as np
import pytest

import emu
from emu.formats.blocks import load_block

RNG = np.random.default_rng(11)
F32 = np.float32


def operands(m=3, k=40, n=4):
    return RNG.standard_normal((m, k)).astype(F32), RNG.standard_normal((k, n)).astype(F32)


@pytest.mark.parametrize(
    ("accelerator", "blocks", "step"),
    [("ocp-mxint8", "mxint8", 2.0**-12), ("brainwave-msfp12", "msfp12", 1), ("brainwave-msfp16", "msfp16", 1)],
)
def test_integers_are_multiplied_and_exponents_added(accelerator, blocks, step):
    """Per block Σ of integers, times both powers of two, then an FP32 chain over the blocks."""
    x, w = operands()
    fmt = load_block(blocks)
    a, b = fmt.encode(x, -1), fmt.encode(w, 0)
    qa, qb = (fmt.element.decode(made.codes) for made in (a, b))
    sa, sb = (fmt.scale.decode(made.scales) for made in (a, b))
    whole = np.sqrt(step)  # of one element
    y = emu.matmul(x, w, accelerator={"extends": accelerator, "matrix": {"output": "float32"}})
    for i in range(3):
        for j in range(4):
            total = F32(0)
            for index, first in enumerate(range(0, 40, fmt.block)):
                part = slice(first, first + fmt.block)
                dot = int(sum(int(p / whole) * int(q / whole) for p, q in zip(qa[i, part], qb[part, j], strict=True)))
                total = F32(float(total) + dot * step * float(sa[i, index]) * float(sb[index, j]))
            assert y[i, j] == total


@pytest.mark.parametrize("bits", [(4, 4), (6, 6), (8, 8), (4, 8)])
def test_planes_of_abq_are_the_integer_dot(bits):
    """abq-wWaA: one scale for each token and output channel, an exact integer sum between."""
    w_bits, a_bits = bits
    x, w = operands(k=300)
    y = emu.matmul(x, w, accelerator={"extends": f"abq-w{w_bits}a{a_bits}", "matrix": {"output": "float32"}})
    s_x = np.abs(x).max(axis=1, keepdims=True) / F32((1 << (a_bits - 1)) - 1)
    s_w = np.abs(w).max(axis=0, keepdims=True) / F32((1 << (w_bits - 1)) - 1)
    dot = np.rint(x / s_x).astype(np.int64) @ np.rint(w / s_w).astype(np.int64)
    assert np.array_equal(y, dot.astype(F32) * (s_x * s_w))


@pytest.mark.parametrize("backend", ["numba", "c"])
def test_flexq_adds_each_pair_of_planes_in_fp32(backend):
    """The kernel's order: accf[i][j] += popc · rs by group, rs = fp16(s_x · s_w); then ±2^(i+j) · accf in order."""
    x, w = operands(2, 300, 2)
    how = emu.load_accelerator("flexq-w6a6").matrix
    from emu.layers.emulate import emulate
    from emu.layers.lowering import lower

    y = emulate(lower("MatMul", [x, w], {}, constant=(False, True)), how, backend=backend).y
    f16 = np.float16
    for m in range(2):
        for n in range(2):
            acc = np.zeros((6, 6), F32)
            for first in range(0, 300, 128):
                p, q = x[m, first : first + 128], w[first : first + 128, n]
                s = [f16(np.clip(np.abs(v).max() / F32(31), F32(1e-5), F32(1e4))) for v in (p, q)]
                codes = [np.rint(v / F32(scale)).astype(int) & 63 for v, scale in zip((p, q), s, strict=True)]
                rs = F32(f16(float(s[0]) * float(s[1])))
                for i in range(6):
                    for j in range(6):
                        count = int(((codes[0] >> i) & (codes[1] >> j) & 1).sum())
                        acc[i, j] = F32(float(acc[i, j]) + count * float(rs))
            total = F32(0)
            for i in range(6):
                for j in range(6):
                    sign = -1 if (i == 5) != (j == 5) else 1
                    total = F32(float(total) + sign * 2.0 ** (i + j) * float(acc[i, j]))
            assert y[m, n] == F32(f16(total))


def test_the_layer_out_of_the_feed_forward_block_has_eight_bits():
    made = emu.load_accelerator("flexq-w6a8-down")
    bits = {
        layer: made.plan(layer, "MatMul").unit.a.bits
        for layer in ("encoder.layer.0.output.dense", "encoder.layer.0.attention.output.dense", "blk.down_proj",
                      "encoder.layer.0.intermediate.dense", "encoder.layer.0.attention.scores")
    }  # fmt: skip
    assert list(bits.values()) == [8, 6, 8, 6, 16]

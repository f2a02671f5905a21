"""Transposed convolution: every attribute against a scattering loop and the reference engine, and which are terms.

Data are small whole numbers where equality does not depend on the order of sums.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

from emu.accelerators import KOrder, load_accelerator
from emu.layers import gemm
from emu.layers.emulate import emulate
from emu.layers.lowering import lower
from emu.layers.plain import evaluate
from emu.layers.transposed import TransposedAxis

from . import plain_loops
from .test_emulate import exact_plan, plan

RNG = np.random.default_rng(3)


def integers(*shape: int) -> Any:
    return RNG.integers(-4, 5, shape).astype(np.float32)


def lowered(*operands: Any, k_order: KOrder = KOrder.C_KH_KW, **attributes: Any) -> gemm.Lowered:
    return lower("ConvTranspose", operands, attributes, constant=(False, True), k_order=k_order)


CASES: list[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    # input, weights [C, out / group, *kernel], attributes
    ((1, 1, 5), (1, 1, 3), {}),
    ((2, 3, 4), (3, 2, 4), {"strides": [2], "pads": [1, 1]}),  # phases of two taps each
    ((1, 2, 4), (2, 2, 4), {"strides": [2], "pads": [0, 1]}),  # an odd output: one phase with zeros between
    ((1, 2, 4), (2, 2, 3), {"strides": [2], "output_padding": [1], "pads": [1, 1]}),
    ((1, 2, 5), (2, 1, 6), {"strides": [3], "dilations": [2], "pads": [1, 0], "output_padding": [2]}),
    ((1, 2, 5), (2, 1, 4), {"strides": [2], "dilations": [2]}),
    ((2, 4, 3, 4), (4, 3, 2, 2), {"strides": [2, 2], "group": 2}),
    ((1, 4, 3, 4), (4, 2, 4, 3), {"strides": [2, 2], "pads": [1, 1, 1, 0], "group": 2}),  # phases on one axis only
    ((1, 3, 4, 4), (3, 1, 4, 4), {"strides": [2, 2], "pads": [1, 1, 1, 1], "group": 3}),
    ((1, 2, 3, 2, 3), (2, 2, 2, 3, 4), {"strides": [2, 1, 2], "pads": [0, 1, 1, 0, 0, 1]}),
    ((1, 1, 4), (1, 1, 1), {"strides": [3]}),  # a stride beyond the kernel: places that nothing reaches
    ((1, 2, 4, 5), (2, 2, 3, 4), {"strides": [2, 3], "auto_pad": "SAME_UPPER"}),
    ((1, 2, 4, 5), (2, 2, 3, 4), {"strides": [2, 2], "auto_pad": "SAME_LOWER"}),
    ((1, 2, 4, 5), (2, 2, 3, 4), {"strides": [2, 2], "auto_pad": "VALID"}),
    ((1, 2, 4, 5), (2, 2, 4, 3), {"strides": [2, 2], "output_shape": [9, 8]}),
    ((1, 2, 4, 5), (2, 2, 4, 4), {"strides": [2, 2], "output_shape": [8, 9], "auto_pad": "SAME_UPPER"}),
]


def engine(x: Any, w: Any, bias: Any, attributes: dict[str, Any]) -> Any:
    given = {"x": x, "w": w, "b": bias}
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, value.shape) for name, value in given.items()]
    graph = helper.make_graph(
        [helper.make_node("ConvTranspose", list(given), ["y"], **attributes)], "t", infos,
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None] * x.ndim)],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, given)[0]


@pytest.mark.parametrize("order", list(KOrder))
@pytest.mark.parametrize("case", CASES)
def test_it_is_the_engines_and_the_scattering_loop(case: tuple[Any, ...], order: KOrder) -> None:
    x_shape, w_shape, attributes = case
    group = attributes.get("group", 1)
    x, w, bias = integers(*x_shape), integers(*w_shape), integers(w_shape[1] * group)
    layer = lowered(x, w, bias, k_order=order, **attributes)
    got, rank = evaluate(layer), len(x_shape) - 2
    assert np.array_equal(got, engine(x, w, bias, attributes))
    axes: tuple[TransposedAxis, ...] = layer.geometry.axes  # type: ignore[attr-defined]
    want = plain_loops.conv_transposed(
        x, w, bias, group=group, strides=attributes.get("strides", [1] * rank),
        dilations=attributes.get("dilations", [1] * rank), before=[axis.before for axis in axes],
        out=[axis.out for axis in axes],
    )  # fmt: skip
    assert np.array_equal(got, want)


@pytest.mark.parametrize(
    ("kernel", "stride", "dilation", "out", "phases", "taps"),
    [(4, 2, 1, 8, 2, 2), (4, 2, 1, 9, 1, 4), (3, 2, 1, 8, 1, 3), (3, 1, 1, 7, 1, 3), (6, 3, 2, 9, 3, 2),
     (4, 2, 2, 8, 1, 4)],
)  # fmt: skip
def test_phases_are_where_every_place_has_equally_many_taps(
    kernel: int, stride: int, dilation: int, out: int, phases: int, taps: int
) -> None:
    axis = TransposedAxis(size=4, kernel=kernel, stride=stride, dilation=dilation, before=1, out=out)
    assert axis.taps.shape == (phases, taps)
    assert sorted(axis.taps.ravel()) == list(range(kernel))
    if phases > 1:
        wide = TransposedAxis(size=99, kernel=kernel, stride=stride, dilation=dilation, before=60, out=9 * out)
        assert (wide.inputs < 99).all(), "no term is a zero between inputs"


@pytest.mark.parametrize("order", list(KOrder))
def test_order_of_k(order: KOrder) -> None:
    """Kernel 4, stride 2, pad 1: place 2 is in phase 0, whose taps are 1 and 3; they meet inputs 1 and 0."""
    x, w = integers(1, 2, 3), integers(2, 1, 4)
    layer = lowered(x, w, strides=[2], pads=[1, 1], k_order=order)
    row, column = layer.geometry.rows(x, 0)(1, 2)[0, 0], layer.b[0, :, 0]
    met, taps = x[0][:, [1, 0]], w[:, 0][:, [1, 3]]
    if order is KOrder.KH_KW_C:
        met, taps = met.T, taps.T
    assert np.array_equal(row, met.ravel())
    assert np.array_equal(column, taps.ravel())


def test_a_chain_adds_the_real_taps_one_after_the_other() -> None:
    """float32 multiply-add in a loop over channels, then taps, gives the same bits; so does no other order."""
    x, w = ((RNG.normal(size=s) * np.exp2(RNG.integers(-8, 8, s))).astype(np.float32) for s in ((1, 3, 5), (3, 1, 4)))
    chain = load_accelerator({"extends": "bf16-fma-f32", "matrix": {"output": "float32"}}).matrix
    exact = lowered(x, w, strides=[2], pads=[1, 1])
    got = emulate(exact, chain).y
    a, b = (chain.unit.a.decode(chain.unit.a.encode(t)).astype(np.float32) for t in (x, w))
    want = np.zeros((1, 1, 10), np.float32)
    for o in range(10):
        for c in range(3):
            for t in range(4):
                i, between = divmod(o + 1 - t, 2)
                if not between:  # products of bfloat16 are exact in float32: adding rounds once
                    want[0, 0, o] += (a[0, c, i] if 0 <= i < 5 else np.float32(0)) * b[c, 0, t]
    assert np.array_equal(got.view(np.uint32), want.view(np.uint32))
    other = lowered(x, w, strides=[2], pads=[1, 1], k_order=KOrder.KH_KW_C)
    assert not np.array_equal(emulate(other, chain).y, got)


def test_a_channels_scale_covers_all_its_phases() -> None:
    """One tap is large: in its channel, the other phases are quantised as coarsely; the other channel is not."""
    w = np.array([[[1.0, 100.0], [1.0, 1.25]]], np.float32)
    how = plan(weights={"scheme": "absmax", "per": "channel"}, activations={"scheme": "cast"}, output="float32")
    y = emulate(lowered(np.ones((1, 1, 1), np.float32), w, strides=[2]), how).y
    fine = np.array([100 / 127, 1.25 / 127], np.float32)
    assert np.array_equal(y[0], np.rint(w[0] / fine[:, None]) * fine[:, None])


@pytest.mark.parametrize("base", ["hopper-fp8-promoted", "int8-sat16", "blackwell-mxfp8", "blackwell-nvfp4"])
def test_tiles_change_no_bit_and_no_count(base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    x, w, bias = (RNG.normal(size=size).astype(np.float32) for size in ((3, 4, 5, 6), (4, 2, 4, 2), 4))
    layer = lowered(x, w, bias, group=2, strides=[2, 2], pads=[1, 0, 1, 0])
    how = load_accelerator(base).matrix
    whole = emulate(layer, how)
    monkeypatch.setattr(gemm, "TILE_ELEMENTS", 400)
    assert len(list(layer.tiles())) > 3
    tiled = emulate(layer, how)
    assert np.array_equal(whole.y, tiled.y)
    assert whole.events == tiled.events
    assert whole.quantiser == tiled.quantiser


def test_the_exact_unit_rounds_once() -> None:
    x, w = integers(2, 3, 4, 4), integers(3, 2, 3, 3)
    layer = lowered(x, w, strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 1])
    assert np.array_equal(emulate(layer, exact_plan()).y, evaluate(layer))
    assert layer.macs == 2 * 8 * 8 * 2 * 3 * 9, "zeros between inputs are terms where the stride does not divide"


@pytest.mark.parametrize(
    ("shapes", "attributes", "message"),
    [
        (((1, 3, 5), (2, 4, 3)), {}, "do not fit with group = 1"),
        (((1, 3, 5), (3, 4, 3)), {"group": 2}, "do not fit with group = 2"),
        (((1, 2, 2), (2, 2, 1)), {"pads": (1, 1)}, "is empty"),
        (((1, 2, 5), (2, 2, 3)), {"strides": (1, 1)}, "strides"),
        (((1, 2, 5), (2, 2, 3)), {"pads": (1,)}, "pads"),
        (((1, 2, 5), (2, 2, 3)), {"output_padding": (-1,)}, "output_padding"),
        (((1, 2, 5), (2, 2, 3)), {"output_shape": (3, 4)}, "output_shape"),
        (((1, 2, 5), (2, 2, 3)), {"kernel_shape": (4,)}, "kernel_shape"),
    ],
)
def test_shapes_that_do_not_fit(shapes: Any, attributes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        lowered(*(integers(*shape) for shape in shapes), **attributes)

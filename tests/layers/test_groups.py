"""Layers of many small products - depthwise convolution, attention - under every kind of plan: the bits and events of
one call of the general kernel for each product.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from emu.accelerators import load_accelerator
from emu.formats.backend import Backend
from emu.layers.emulate import emulate, operands_of
from emu.layers.epilogue import finish, scale_product
from emu.layers.gemm import Lowered
from emu.layers.lowering import lower
from emu.units.plans import GENERAL, plan_of
from emu.units.turned import worth_turning

BINARY32 = {"extends": "bf16-fma-f32", "operands": {"a": {"format": "float32"}, "b": {"format": "float32"}}}
NAMES = (
    "hopper-fp8", "hopper-fp8-promoted", "fp8-fp16acc", "int8-int32", "int8-sat16", "bf16-fma-f32", "int6-sat16",
    "blackwell-mxfp8", "blackwell-nvfp4",
)  # fmt: skip
UNITS = {
    "binary32": BINARY32,
    "kulisch": "kulisch-e4m3",
    "table": "approx-mul-int4",
    "chunked": "ibm-fp8-2018:chunked.ties_to_even",
}


def accelerator(name: str) -> Any:
    """A built-in accelerator, or one of a unit alone."""
    if name not in UNITS:
        return load_accelerator(name)
    scheme = {"scheme": "cast" if name in ("binary32", "kulisch", "chunked") else "absmax"}
    return load_accelerator(
        {"name": name, "matrix": {"unit": UNITS[name], "activations": scheme, "weights": scheme, "output": "float32"}}
    )


def layer(kind: str) -> Lowered:
    r = np.random.default_rng(5)

    def normal(*shape: int) -> np.ndarray:
        return r.standard_normal(shape).astype(np.float32)

    if kind == "depthwise":
        x = normal(2, 6, 9, 7)
        x[0, :, 0, :2] = 0
        return lower("Conv", [x, normal(6, 1, 3, 3)], {"group": 6, "pads": [1] * 4}, constant=(False, True))
    if kind == "grouped":
        return lower("Conv", [normal(1, 8, 8, 8), normal(12, 2, 3, 3)], {"group": 4}, constant=(False, True))
    return lower("MatMul", [normal(2, 3, 10, 8), normal(2, 3, 8, 12)], {}, constant=(False, False))


@pytest.mark.parametrize("kind", ["depthwise", "grouped", "attention"])
@pytest.mark.parametrize("name", [*NAMES, *UNITS])
def test_every_product_alone_in_the_general_kernel(name: str, kind: str) -> None:
    lowered = layer(kind)
    plan = accelerator(name).plan("layer", lowered.op)
    operands = operands_of(lowered, plan)
    a, b = operands.a(0, lowered.geometry.m), operands.b
    products, events = [], None
    for group in range(lowered.geometry.groups):
        scales = [None if one.unit_scale is None else one.unit_scale[group] for one in (a, b)]
        d, counted = plan.unit.matmul(
            a.codes[group], b.codes[group], a_scale=scales[0], b_scale=scales[1], seed=plan.seed, events=True,
            plan=GENERAL,
        )  # fmt: skip
        products.append(d)
        events = counted if events is None else events + counted
    scale = scale_product(a.epilogue_scale, b.epilogue_scale, 1.0)
    wanted, _ = finish(np.stack(products), plan.unit.d, scale, None, plan.output)
    found = emulate(lowered, plan)
    assert found.y.tobytes() == lowered.assemble(wanted).tobytes()
    assert events is not None
    assert found.events is not None
    stages = slice(1, None)  # operands are counted once for the layer, not once for each tile
    assert np.array_equal(found.events.counts[stages], events.counts[stages])
    quick = emulate(lowered, plan, events=False)
    assert quick.y.tobytes() == found.y.tobytes()


def test_the_plans_are_of_every_kind() -> None:
    """And a depthwise layer runs transposed under most of them."""
    forms = [accelerator(name).plan("layer", "Conv").unit.form for name in (*NAMES, *UNITS)]
    names = {plan_of(form, 9, Backend.C, counts=counts).name for form in forms for counts in (False, True)}
    assert names == {"fma", "chain", "aligned", "integers", "exact", "groups", "lanes"}
    assert sum(worth_turning(form, 100, 1, 9) for form in forms) >= 8

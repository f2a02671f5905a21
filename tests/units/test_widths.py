"""Widths and worst cases: known adders, and bounds that no drawn product exceeds."""

from __future__ import annotations

import numpy as np
import pytest

from emu import load_unit
from emu.formats.decode import decode_code
from emu.spec import builtin_names, spec_root
from emu.units import intervals
from emu.units.family import instructions, is_family
from emu.units.widths import table, wires
from tests.units.drawing import draw

DRAWS = range(9000, 9150)


def width_of(unit: str, k: int, place: str) -> tuple[int, str, str]:
    (found,) = [wire for wire in wires(load_unit(unit).form, k) if wire.place == place][:1]
    return found.bits, found.what, found.lost


def test_the_adder_of_hopper_fp8():
    unit = "nvidia-hopper:wgmma.mma_async.m64n8k32.f32.e4m3.e4m3"
    bits, what, lost = width_of(unit, 32, "level 0 adder")
    assert bits == 1 + 2 + 6 + 13
    assert "2 integer, 6 growth, 13 fraction" in what
    assert lost == "bits further than 13 below it"
    assert width_of(unit, 32, "d")[1:] == ("float32, exact", "")


def test_an_exact_adder_is_a_kulisch_accumulator():
    bits, _, lost = width_of("kulisch-e4m3", 4096, "level 0 adder")
    assert (bits > 277, lost) == (True, "")  # c is float32: its 277 bits, and growth


@pytest.mark.parametrize(("acc", "fits"), [("int16", 1), ("int17", 3), ("int20", 31), ("int32", 131071)])
def test_how_many_products_an_accumulator_holds(acc, fits):
    """int8 products are -128 * 127 to 128 * 128: int17 holds -65536 to 65535, three products of 16384."""
    keys = {"operands": {"a": "int8", "b": "int8", "d": acc}, "level": [{"result": {"format": acc}}]}
    (wire,) = [wire for wire in wires(load_unit(keys).form, 1 << 19) if wire.place == "level 0 result"]
    assert f"holds any {fits:,} input" in wire.lost
    (wire,) = [wire for wire in wires(load_unit(keys).form, fits) if wire.place == "level 0 result"]
    assert wire.lost == ""
    a = np.full((1, fits + 1), -128, np.int8)
    over = [load_unit(keys).matmul(a[:, :n], a.T[:n], events=True)[1].of("level 0").get("overflow", 0)
            for n in (fits, fits + 1)]  # fmt: skip
    assert over == [0, 1]


def test_the_exact_sum_in_words():
    form = load_unit("int8-int32").form
    text = "\n".join(table(form, 4, wires(form, 4)))
    assert "an exact sum of 4 products lies in -65024 … 65536: 18 bits with the sign" in text


@pytest.mark.parametrize("name", builtin_names("units"))
def test_every_built_in_unit_has_widths(name):
    import tomllib

    mapping = tomllib.loads((spec_root() / "units" / f"{name}.toml").read_text(encoding="utf-8"))
    names = [f"{name}:{row}" for row in instructions(mapping, name)][:40] if is_family(mapping) else [name]
    for unit in names:
        assert len(load_unit(unit).explain().splitlines()) > 15


def test_no_drawn_product_leaves_its_interval():
    checked = 0
    for number in DRAWS:
        one = draw(number)
        form = load_unit(one.unit).form
        bound = intervals.product(form)
        if bound is None or form.product.table is not None or form.a.load or form.b.load or form.product.result:
            continue
        if form.a.zero is not None or form.b.zero is not None:
            continue
        for x, y in zip(np.ravel(one.operands["a"])[:20], np.ravel(one.operands["b"])[:20], strict=False):
            u, v = decode_code(form.a.format, int(x)), decode_code(form.b.format, int(y))
            if u.finite and v.finite:
                assert bound.low <= u.fraction() * v.fraction() <= bound.high
                checked += 1
    assert checked > 100

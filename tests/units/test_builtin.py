"""Every built-in unit: it loads, and the backends and the independent executor give one result."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from random import Random

import numpy as np
import pytest

from emu import load_unit
from emu.errors import OverflowRaised
from emu.spec import builtin_names, spec_root
from emu.units.family import instructions, is_family
from tests.compare import assert_same_bits
from tests.oracle.support import executor

from .drawing import codes as drawing


def builtin_units() -> Iterator[str]:
    """Plain units, and instructions of families."""
    for name in builtin_names("units"):
        mapping = tomllib.loads((spec_root() / "units" / f"{name}.toml").read_text(encoding="utf-8"))
        if is_family(mapping):
            yield from (f"{name}:{instruction}" for instruction in instructions(mapping, name))
        else:
            yield name


@pytest.mark.parametrize("name", list(builtin_units()))
def test_all_backends_agree(name, request):
    r, unit, oracle = Random(name), load_unit(name), executor(name)
    single = unit.form.levels[0].length if len(unit.form.levels) == 1 else None
    k = min(unit.form.k or 40, single or 40)
    style = r.choice(["finite", "near", "special", "cancelling"])
    formats = {side: oracle.format_of(side) for side in oracle.unit.operands}
    a, b = (drawing.array(r, formats[side], shape, style) for side, shape in (("a", (1, k)), ("b", (k, 2))))
    operands = {"a": a, "b": b}
    if "c" in formats:
        operands["c"] = drawing.array(r, formats["c"], (1, 2), style)
    for side, scale in oracle.unit.scales.items():
        blocks = -(-k // scale.block) if scale.block else 1
        shape = (1, blocks) if side == "a" else (blocks, 2)
        operands[f"{side}_scale"] = drawing.array(r, scale.format, shape, "near")
    seed = 7 if unit.form.stochastic else None
    try:
        expected = oracle.matmul(**operands, seed=seed)
    except OverflowError:
        with pytest.raises(OverflowRaised):
            unit.matmul(**operands, seed=seed)
        return
    forced = request.config.getoption("--isa") is not None  # only C's kernels have instruction sets
    for backend in ("c",) if forced else ("reference", "numba", "c"):
        result = unit.matmul(**operands, seed=seed, backend=backend)
        assert result.dtype == np.dtype(unit.d.code_dtype)
        assert_same_bits(result, expected, unit.d, backend)

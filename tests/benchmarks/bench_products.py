"""Matrix products under pytest-benchmark. Not collected by default: `pytest tests/benchmarks/bench_*.py`."""

import numpy as np
import pytest

from emu.bench.checks import sample_differs
from emu.bench.machine import cores
from emu.bench.products import PRODUCTS, operands
from emu.bench.run import SIZES
from emu.formats.backend import Backend
from emu.units.plans import GENERAL, plan_of


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("product", PRODUCTS, ids=lambda product: product.key)
def test_product(benchmark, product, size):
    unit = product.loaded
    plan = product.plan or plan_of(unit.form, size, Backend.C).name
    if plan == GENERAL and size > SIZES[0]:
        pytest.skip("the general kernel takes seconds at this size")
    given = operands(unit, size)
    benchmark.extra_info["plan"] = plan
    with cores(1):
        d = benchmark.pedantic(given.run, args=(unit,), kwargs={"plan": product.plan}, rounds=3, warmup_rounds=1)
    assert sample_differs(unit, given, d) == 0


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_blas(benchmark, dtype, size):
    x = np.random.default_rng(size).standard_normal((size, size)).astype(dtype)
    with cores(1):
        benchmark(lambda: x @ x)

"""Matrix products under pytest-benchmark, with and without fast plans, in C and Numba, with events, in batches. Not
collected by default: `pytest tests/benchmarks/bench_*.py`. Products that would take seconds are not among them."""

from collections.abc import Iterator

import numpy as np
import pytest

from emu.bench.checks import sample_differs
from emu.bench.machine import cores
from emu.bench.products import MORE, PRODUCTS, Product, operands
from emu.bench.run import SIZES, SMALL, measurable
from emu.units.plans import GENERAL


def chosen() -> Iterator[tuple[Product, int]]:
    for product in filter(measurable, (*PRODUCTS, *MORE)):
        for size in [SMALL] if product.batch else SIZES:
            if size == SIZES[0] or product.plan_at(size) != GENERAL:
                yield product, size


@pytest.mark.parametrize(("product", "size"), list(chosen()), ids=lambda x: x.key if isinstance(x, Product) else str(x))
def test_product(benchmark, product, size):
    unit = product.loaded
    given = operands(unit, size, batch=product.batch)
    benchmark.extra_info["plan"] = product.plan_at(size)
    with cores(1):
        d = benchmark.pedantic(given.run, args=(unit,), kwargs=product.how, rounds=3, warmup_rounds=1)
    d = d[0] if product.events else d
    if product.batch:
        given, d = given.part_of_batch(0), d[0]
    assert sample_differs(unit, given, d) == 0


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_blas(benchmark, dtype, size):
    x = np.random.default_rng(size).standard_normal((size, size)).astype(dtype)
    with cores(1):
        benchmark(lambda: x @ x)

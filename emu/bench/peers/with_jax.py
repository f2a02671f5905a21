"""JAX: loops that XLA compiles. The first run compiles, and is not timed."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from emu.bench.peers.work import Array, Work, half_codes, numbers


def cast(x: Array) -> Work:
    """astype under jit."""
    jax: Any = import_module("jax")
    given = jax.numpy.asarray(x)
    compiled = jax.jit(lambda v: v.astype(jax.numpy.float8_e4m3fn))
    return Work(run=lambda: compiled(given).block_until_ready(), codes=lambda found: np.asarray(found).view(np.uint8))


def product(a: Array, b: Array) -> Work:
    """fori_loop over K under jit, one outer product in float32 after the other."""
    jax: Any = import_module("jax")
    x, y = jax.numpy.asarray(numbers(a).T.copy()), jax.numpy.asarray(numbers(b))

    def whole(left: Any, right: Any) -> Any:
        def step(k: Any, acc: Any) -> Any:
            term = left[k][:, None] * right[k][None, :]
            return (acc.astype(jax.numpy.float32) + term).astype(jax.numpy.float16)

        start = jax.numpy.zeros((left.shape[1], right.shape[1]), jax.numpy.float16)
        return jax.lax.fori_loop(0, left.shape[0], step, start)

    compiled = jax.jit(whole)
    return Work(run=lambda: compiled(x, y).block_until_ready(), codes=half_codes)

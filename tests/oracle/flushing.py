"""`daz`: what becomes of subnormal operands, and the count of those."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .events import Log
from .model import Operand
from .values import Num, Value, floor_log2, zero


def daz(operand: Operand, x: Value) -> Value:
    """A decoded value after `daz`."""
    if operand.daz == "off" or operand.format.kind != "float" or not isinstance(x, Num):
        return x
    if x.m and floor_log2(x.m, x.q) >= operand.format.emin:
        return x
    return zero(x.negative and operand.daz == "signed")


def flushed(operands: Mapping[str, Operand], a: np.ndarray, b: np.ndarray, c: np.ndarray | None, batch: int) -> Log:
    """A log with every subnormal element that is taken for zero: a's by (m, k), b's by (k, n), c's.

    a and c come with all `batch` coordinates of the output, b with its own or without: they are None then.
    """
    log = Log()
    for name, codes in (("a", a), ("b", b), ("c", c)):
        if codes is None or operands[name].daz == "off":
            continue
        for at in np.ndindex(codes.shape):
            x = operands[name].format.decode(int(codes[at]))
            if not isinstance(x, Num) or x.m == 0 or daz(operands[name], x).m:
                continue
            *lead, row, column = at
            lead = lead or [None] * batch
            indices = {"a": (*lead, row, None), "b": (*lead, None, column), "c": at}
            log.flush(indices[name], {"a": column, "b": row, "c": None}[name])
    return log

"""`emu.matmul`: a product of real matrices as an accelerator would compute it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emu.layers.emulate import emulate
from emu.layers.lowering import lower

if TYPE_CHECKING:
    from emu.accelerators import Accelerator


def matmul(
    x: ArrayLike,
    w: ArrayLike,
    *,
    accelerator: str | Path | Mapping[str, Any] | Accelerator,
    layer: str = "matmul",
    backend: str | None = None,
) -> NDArray[np.float32]:
    """The product of activations and weights, through the accelerator's schemes and unit.

    Args:
        x: activations [..., M, K], taken as float32.
        w: weights [..., K, N], taken as float32. NumPy's batch and broadcasting rules, as for `numpy.matmul`.
        accelerator: a built-in name, a path, a mapping, or a loaded accelerator.
        layer: the layer name that the accelerator's rules are matched against; the operator is `MatMul`.
        backend: as for `Unit.matmul`.

    Returns:
        float32 [..., M, N]: values of the accelerator's output format.

    Special cases: NaN in an operand whose format has no NaN is a FormatError; activations with a static range need
    calibration data, which only `emu.replaying` takes, so they are a SpecError here.

    Raises:
        SpecError: the accelerator cannot be loaded, or its range is static.
        ValueError: shapes that do not go together.
    """
    from emu.accelerators import load_accelerator

    chosen = load_accelerator(accelerator)
    plan = chosen.plan(layer, "MatMul")
    chosen.require_dynamic(layer, "MatMul")
    operands = (np.asarray(x, np.float32), np.asarray(w, np.float32))
    lowered = lower("MatMul", operands, {}, constant=(False, True), names=("x", "w"))
    return emulate(lowered, plan, backend=backend, events=False).y

"""A layer, product by product: Conv, ConvTranspose, Gemm and MatMul as lists of codes for a unit, and the epilogue
around it.

Lowering
* `output_terms` yields for every output element, in the output tensor's order, the codes of its K products.
  Convolutions are in `convolution`.
* Gemm takes transA and transB; alpha and beta must be 1. MatMul follows NumPy, at least 2-D.
* The linear index of an element (for stochastic rounding) is that of the layer's output tensor.

Schemes: absmax, s = fl32(absmax / largest finite value), or 1 where absmax is 0; code = encode(fl32(x / s),
ties to even, saturate). One s per `tensor`; per `token`, a row of the lowered A (one sample of the batch
for Conv); or per `channel`, an output channel of the weights (of a
ConvTranspose with one group). None: codes are encode(x), and s is 1.

Epilogue in float32, ties to even, one rounding per step: y = decode(d); s_a * s_b; y times it; + bias; then
the cast to the output format. A unit that applies scales itself gets their codes instead (ties to even,
saturated), every block of k the same, and the epilogue leaves them out. With `bias_in = "c"` the bias is
not in the epilogue but in c, as the code of fl32(bias / (s_a * s_b)), or of the bias itself where the unit
applies the scales.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .codes import Format
from .convolution import Terms, conv_terms, transposed_shape, transposed_terms, window
from .formats import from_table
from .rounding import Cast, encode, real
from .units import Executor
from .values import NaN, Value

FLOAT32 = from_table({"exp_bits": 8, "man_bits": 23}, "float32")
Codes = list[int]
CONVOLUTIONS = ("Conv", "ConvTranspose")


@dataclass(frozen=True)
class LayerResult:
    """Codes d of the unit, y after the epilogue (float32), and the output: codes and float32 values."""

    d: np.ndarray
    y: np.ndarray
    codes: np.ndarray
    values: np.ndarray


def float32(x: Value) -> np.float32:
    """A value rounded to float32."""
    code = FLOAT32.encode(Cast(FLOAT32).apply(x))
    return np.uint32(code).view(np.float32)


def encode_array(x: np.ndarray, fmt: Format, overflow: str | None = None) -> np.ndarray:
    """Codes of an array of floats, ties to even; a NaN into a format without one is an error."""
    codes = np.zeros(x.shape, np.uint64)
    for at in np.ndindex(x.shape):
        value = real(float(x[at]))
        if isinstance(value, NaN) and not fmt.has_nan:
            raise ValueError(f"NaN into {fmt.name}, which has none")
        codes[at] = encode(value, fmt, overflow=overflow)
    return codes


def absmax(x: np.ndarray, fmt: Format, axes: tuple[int, ...]) -> np.ndarray:
    """float32 scales over the given axes, which are kept with length 1."""
    largest = np.max(np.abs(x), axis=axes, keepdims=True).astype(np.float32)
    scale = largest / float32(fmt.highest)
    return np.where(largest == 0, np.float32(1), scale).astype(np.float32)


def quantise(x: np.ndarray, fmt: Format, axes: tuple[int, ...] | None) -> tuple[np.ndarray, np.ndarray]:
    """Codes, and the scales they need (ones if axes is None)."""
    x = np.asarray(x, np.float32)
    if axes is None:
        return encode_array(x, fmt, "saturate"), np.ones((1,) * x.ndim, np.float32)
    scale = absmax(x, fmt, axes)
    with np.errstate(all="ignore"):
        return encode_array((x / scale).astype(np.float32), fmt, "saturate"), scale


# --- matrix products --------------------------------------------------------------------------------------


def matrix_terms(a: np.ndarray, b: np.ndarray) -> Iterator[Terms]:
    """a codes [..., M, K], b codes [..., K, N]."""
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    a, b = np.broadcast_to(a, batch + a.shape[-2:]), np.broadcast_to(b, batch + b.shape[-2:])
    for at in np.ndindex(*batch, a.shape[-2], b.shape[-1]):
        *lead, row, column = at
        lead = tuple(lead)
        yield Terms(at, a[(*lead, row)].tolist(), b[(*lead, slice(None), column)].tolist())


def _operands(op: str, x: Any, w: Any, attrs: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """float32 operands as they enter the matrix product (Gemm's transposes done)."""
    x, w = np.asarray(x, np.float32), np.asarray(w, np.float32)
    if op not in (*CONVOLUTIONS, "Gemm", "MatMul"):
        raise ValueError(f"{op}: only Conv, ConvTranspose, Gemm and MatMul")
    if op == "Gemm":
        if attrs.get("alpha", 1.0) != 1 or attrs.get("beta", 1.0) != 1:
            raise ValueError("Gemm with alpha or beta is not defined")
        x, w = (x.T if attrs.get("transA") else x), (w.T if attrs.get("transB") else w)
    if op not in CONVOLUTIONS and (x.ndim < 2 or w.ndim < 2):
        raise ValueError("matrix products are at least 2-D")
    return x, w


def _axes(op: str, per: str | None, ndim: int, activations: bool) -> tuple[int, ...] | None:
    """The axes that share a scale."""
    everything = tuple(range(ndim))
    if per is None or per == "tensor":
        return None if per is None else everything
    if per != ("token" if activations else "channel"):
        raise ValueError(f"per = {per!r}")
    if op == "ConvTranspose" and not activations:
        return (0, *everything[2:])
    if op in CONVOLUTIONS:
        return everything[1:]  # one sample, or one output channel
    return (ndim - 1,) if activations else (ndim - 2,)


def output_terms(
    op: str, x: np.ndarray, w: np.ndarray, attrs: Mapping[str, Any], zero: int = 0, k_order: str = "c_kh_kw"
) -> Iterator[Terms]:
    """The products of every output element; Gemm's operands already transposed."""
    if op == "ConvTranspose":
        return transposed_terms(x, w, attrs, zero, k_order)
    return conv_terms(x, w, attrs, zero, k_order) if op == "Conv" else matrix_terms(x, w)


def _over_output(op: str, scale: np.ndarray, shape: tuple[int, ...], activations: bool) -> np.ndarray:
    """A scale for every output element."""
    if op in CONVOLUTIONS:
        extra = (1,) * (len(shape) - 1)
        scale = scale.reshape(-1, *extra) if activations else scale.reshape(1, -1, *extra[1:])
    return np.broadcast_to(scale, shape)


def _bias_over_output(op: str, bias: Any, shape: tuple[int, ...]) -> np.ndarray | None:
    if bias is None:
        return None
    bias = np.asarray(bias, np.float32)
    return np.broadcast_to(bias.reshape(-1, *(1,) * (len(shape) - 2)) if op in CONVOLUTIONS else bias, shape)


# --- the layer -------------------------------------------------------------------------------------------


def layer(
    op: str,
    x: Any,
    w: Any,
    bias: Any,
    attrs: Mapping[str, Any],
    unit: Executor,
    act_format: Format | str,
    weight_format: Format | str,
    per_act: str | None,
    per_weight: str | None,
    output_format: Format | str,
    *,
    k_order: str = "c_kh_kw",
    bias_in: str = "epilogue",
    seed: int | None = None,
) -> LayerResult:
    """One layer on float32 operands: schemes, every product through the unit, epilogue.

    Formats may be names, which the unit's own formats resolve.
    """
    act, weight, output = (
        f if isinstance(f, Format) else unit.formats.get(f) for f in (act_format, weight_format, output_format)
    )
    x, w = _operands(op, x, w, attrs)
    a, s_a = quantise(x, act, _axes(op, per_act, x.ndim, True))
    b, s_b = quantise(w, weight, _axes(op, per_weight, w.ndim, False))
    elements = list(output_terms(op, a, b, attrs, encode(0, act), k_order))
    shape = _shape(op, x, w, attrs)
    scales = _over_output(op, s_a, shape, True), _over_output(op, s_b, shape, False)
    bias = _bias_over_output(op, bias, shape)
    d = np.zeros(shape, np.uint64)
    y = np.zeros(shape, np.float32)
    for index, terms in enumerate(elements):
        pair = scales[0][terms.at], scales[1][terms.at]
        added = None if bias is None else bias[terms.at]
        c = _bias_code(unit, added, pair) if bias_in == "c" and added is not None else None
        axis = 1 if op in CONVOLUTIONS else len(shape) - 1
        column = terms.at[axis], shape[axis]
        scales_of_unit = _unit_scales(unit, pair, len(terms.a))
        d[terms.at] = unit.element(terms.a, terms.b, c, *scales_of_unit, index, seed, column=column)
        y[terms.at] = epilogue(unit, int(d[terms.at]), pair, None if bias_in == "c" else added)
    codes = encode_array(y, output)
    return LayerResult(d, y, codes, decode_array(codes, output))


def _shape(op: str, x: np.ndarray, w: np.ndarray, attrs: Mapping[str, Any]) -> tuple[int, ...]:
    if op == "ConvTranspose":
        return transposed_shape(x.shape, w.shape, attrs)
    if op == "Conv":
        return (x.shape[0], w.shape[0], *window(x.shape, w.shape, attrs).out)
    return (*np.broadcast_shapes(x.shape[:-2], w.shape[:-2]), x.shape[-2], w.shape[-1])


def _unit_scales(unit: Executor, pair: tuple[np.float32, np.float32], size: int) -> tuple[Codes, Codes]:
    """Scale codes for a unit that applies them: the same in every block."""
    made: list[Codes] = []
    for side, scale in zip("ab", pair, strict=True):
        spec = unit.unit.scales.get(side)
        blocks = 0 if spec is None else -(-size // spec.block) if spec.block else 1
        made.append([encode(float(scale), spec.format, overflow="saturate")] * blocks if spec else [])
    return made[0], made[1]


def _bias_code(unit: Executor, bias: np.float32, pair: tuple[np.float32, np.float32]) -> int:
    if not unit.unit.scales:
        bias = bias / (pair[0] * pair[1])
    return encode(float(bias), unit.format_of("c"))


def epilogue(unit: Executor, d: int, pair: tuple[np.float32, np.float32], bias: np.float32 | None) -> np.float32:
    """y = decode(d); times s_a * s_b; + bias: float32, each step rounded once."""
    with np.errstate(all="ignore"):
        y = float32(unit.d.decode(d))
        if not unit.unit.scales:
            y = y * (pair[0] * pair[1])
        return y if bias is None else y + bias


def decode_array(codes: np.ndarray, fmt: Format) -> np.ndarray:
    """float32 values of codes (NaN for any NaN)."""
    values = np.zeros(codes.shape, np.float32)
    for at in np.ndindex(codes.shape):
        value = fmt.decode(int(codes[at]))
        values[at] = np.float32(np.nan) if isinstance(value, NaN) else float32(value)
    return values

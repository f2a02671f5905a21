"""Arrays of codes: what is taken as codes, and how codes are viewed as other libraries' dtypes.

* Codes are unsigned integers below 2^bits. For integer formats signed NumPy integers are taken as *values* in range.
* Arrays whose dtype *is* the format (ml_dtypes' float8_e4m3fn, NumPy's float16, ...) are taken for their bits.
* Any other float array is refused: it holds values, and would be misread as codes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emu.formats.enums import FormatKind, IntegerEncoding
from emu.formats.model import MAX_STORED_BITS, Format

_NUMPY = ("float16", "float32", "float64")


def native_dtype(fmt: Format) -> np.dtype[Any] | None:
    """The NumPy or ml_dtypes dtype whose bits are this format's codes, or None."""
    if fmt.name in _NUMPY and _is_builtin(fmt):
        return np.dtype(fmt.name)
    if (
        fmt.kind is FormatKind.INTEGER
        and fmt.encoding is IntegerEncoding.TWOS_COMPLEMENT
        and fmt.bits in (8, 16, 32, 64)
    ):
        return np.dtype(f"{'' if fmt.signed else 'u'}int{fmt.bits}")
    import ml_dtypes

    scalar = getattr(ml_dtypes, fmt.name, None)
    return np.dtype(scalar) if scalar is not None and _is_builtin(fmt) else None


def _is_builtin(fmt: Format) -> bool:
    """Whether this is the format that the name stands for, and not another one of that name."""
    from emu.errors import SpecError
    from emu.formats.load import load_format

    try:
        return load_format(fmt.name) == fmt
    except SpecError:
        return False


def as_array(values: Any) -> NDArray[Any]:
    """An array of what a caller gave, in this machine's byte order.

    Integers that NumPy would make floats of, because they fit no one dtype, stay.

    Raises:
        ValueError: elements of the array are masked: there is no number to take.
    """
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        raise ValueError("an array with masked elements: fill them first (array.filled)")
    array = np.asarray(values)
    if not array.dtype.isnative and array.dtype.kind in "iuf":
        array = array.astype(array.dtype.type)
    if isinstance(values, np.ndarray | np.generic) or array.dtype != np.float64:
        return array
    objects = np.array(values, dtype=object)
    if all(isinstance(x, int | np.integer) for x in objects.ravel()) and objects.size:
        return objects
    wide = any(isinstance(x, int | np.integer) and int(float(x)) != int(x) for x in objects.ravel())
    return objects if wide else array


def as_codes(array: ArrayLike, fmt: Format, what: str = "codes") -> NDArray[np.uint64]:
    """Codes of a format as a C-contiguous uint64 array.

    Args:
        array: codes; or, for integer formats, signed integers (values); or an array of the format's own dtype.
        fmt: the format, of at most 64 bits.
        what: what errors call the array.

    Raises:
        ValueError: a float array that is not of the format's dtype, or a code that does not fit.
    """
    if fmt.bits > MAX_STORED_BITS:
        raise ValueError(f"{what}: {fmt.name} has {fmt.bits} bits; codes have at most {MAX_STORED_BITS}")
    given = as_array(array)
    if given.size == 0 and not isinstance(array, np.ndarray):
        given = given.astype(fmt.code_dtype)
    if given.dtype.kind == "u" and given.dtype.isbuiltin == 1:
        return _checked(given, fmt, what)
    if given.dtype.kind in "iO" or given.dtype == np.bool_:
        return _from_integers(given, fmt, what)
    native = native_dtype(fmt)
    if native is not None and given.dtype == native:
        width = given.dtype.itemsize
        return _checked(np.ascontiguousarray(given).view(f"u{width}") & _mask(fmt, width), fmt, what)
    raise ValueError(
        f"{what}: an array of {given.dtype} holds values, not codes of {fmt.name}; "
        f"encode it first (fmt.encode), or pass unsigned integers"
    )


def _mask(fmt: Format, width: int) -> Any:
    """ml_dtypes keeps narrow integers sign-extended in a byte: only the format's bits count."""
    return np.array((1 << fmt.bits) - 1 if fmt.bits < 8 * width else (1 << 8 * width) - 1, dtype=f"u{width}")


def _checked(codes: NDArray[Any], fmt: Format, what: str) -> NDArray[np.uint64]:
    out = np.ascontiguousarray(codes, dtype=np.uint64)
    if fmt.bits < 64 and out.size and int(out.max()) >> fmt.bits:
        raise ValueError(f"{what}: code {int(out.max()):#x} does not fit the {fmt.bits} bits of {fmt.name}")
    return out.reshape(codes.shape)


def _from_integers(values: NDArray[Any], fmt: Format, what: str) -> NDArray[np.uint64]:
    """Signed integers: values of an integer format, or codes (which are never negative)."""
    if values.dtype == object and not all(isinstance(x, int | np.integer) for x in values.ravel()):
        raise ValueError(
            f"{what}: objects that are no integers hold values, not codes of {fmt.name}; encode them first"
        )
    integral = fmt.kind is FormatKind.INTEGER and fmt.encoding is IntegerEncoding.TWOS_COMPLEMENT
    low, high = (-fmt.min_sig, fmt.max_sig) if integral else (0, (1 << fmt.bits) - 1)
    if values.size:
        least, most = int(values.min()), int(values.max())
        if least < low or most > high:
            bad = least if least < low else most
            kind = "value" if integral else "code"
            raise ValueError(f"{what}: {kind} {bad} is outside {fmt.name}'s range {low} to {high}")
    mask = (1 << fmt.bits) - 1
    if values.dtype == object:
        flat = [int(x) & mask for x in values.ravel()]
        return np.array(flat, dtype=np.uint64).reshape(values.shape)
    wide = np.ascontiguousarray(values.astype(np.int64)).view(np.uint64)
    return (wide & np.uint64(mask)).reshape(values.shape)


def as_narrow(array: ArrayLike, fmt: Format, what: str = "codes") -> NDArray[Any]:
    """Codes of a format in its smallest unsigned dtype; as `as_codes`, but without a wide copy where none is needed.

    Args:
        array: as in `as_codes`.
        fmt: the format.
        what: what errors call the array.

    Returns:
        Codes; the array itself, or a view of it, if it holds them already.
    """
    given = as_array(array)
    if given.dtype == fmt.code_dtype and isinstance(array, np.ndarray) and fmt.bits <= MAX_STORED_BITS:
        if fmt.bits < 8 * given.itemsize and given.size and int(given.max()) >> fmt.bits:
            return smallest(as_codes(given, fmt, what), fmt)  # which raises
        return given
    whole = (fmt.kind is FormatKind.INTEGER and not fmt.symmetric) or given.dtype.kind not in "uib"
    native = native_dtype(fmt) if whole else None
    if native is not None and given.dtype == native and native.itemsize == fmt.code_dtype.itemsize:
        codes: NDArray[Any] = np.ascontiguousarray(given).view(fmt.code_dtype)
        if fmt.bits < 8 * native.itemsize:
            codes = codes & _mask(fmt, native.itemsize)
        return codes.reshape(given.shape)
    return smallest(as_codes(array, fmt, what), fmt)


def smallest(codes: NDArray[np.uint64], fmt: Format) -> NDArray[Any]:
    """Codes in the smallest unsigned dtype that holds the format."""
    return codes.astype(fmt.code_dtype)


def as_dtype(codes: ArrayLike, fmt: str | Format) -> NDArray[Any]:
    """Codes viewed as the NumPy or ml_dtypes dtype that the format has there.

    Codes in unsigned integers of the dtype's width are viewed, not copied; but those of a signed integer format
    narrower than a byte, which ml_dtypes keeps sign-extended.

    Raises:
        ValueError: neither library has a dtype for this format.
    """
    from emu.formats.load import load_format

    loaded = load_format(fmt)
    dtype = native_dtype(loaded)
    if dtype is None:
        raise ValueError(f"neither NumPy nor ml_dtypes has a dtype for {loaded.name}")
    given = np.asarray(codes)
    sign_extended = loaded.bits < 8 * dtype.itemsize and loaded.signed and loaded.kind is FormatKind.INTEGER
    if given.dtype == np.dtype(f"u{dtype.itemsize}") and not sign_extended:
        if given.size and int(given.max()) >> loaded.bits:
            raise ValueError(f"codes: code {int(given.max()):#x} does not fit the {loaded.bits} bits of {loaded.name}")
        return given.view(dtype)
    words = as_codes(given, loaded).astype(f"u{dtype.itemsize}")
    if sign_extended:
        shift = 8 * dtype.itemsize - loaded.bits
        words = (words << shift).astype(f"u{dtype.itemsize}").view(f"i{dtype.itemsize}") >> shift
    return np.ascontiguousarray(words).view(dtype)

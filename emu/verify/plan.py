"""What `emu verify formats` runs: formats, backends, checks and oracles, as units of work.

* quick: every format of at most 8 bits on `c` in one sweep (all pairs, all roundings; the overflows beside the
  format's own on results out of range), a few wider ones sampled, one format of each class on the other backends.
* full: every overflow on all pairs, casts of all float16 and bfloat16 codes, formats up to 16 bits, all P3109 formats
  up to 12 bits decoded, and every format on every backend.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from emu.formats.load import load_any, load_format
from emu.formats.model import Format
from emu.formats.text import table_of
from emu.spec import builtin_names
from emu.verify.checks import BACKEND_FREE, CHECKS
from emu.verify.others import mpfr, testfloat
from emu.verify.others.libraries import NOT_INSTALLED, OTHERS
from emu.verify.tally import Tally
from emu.verify.work import Maker, Work, format_units

BACKENDS = ("c", "numba", "reference")
KEYS = (
    '{kind = "fixed", bits = 7, frac_bits = 3}',
    '{kind = "fixed", bits = 6, frac_bits = -2, signed = false}',
    '{kind = "integer", bits = 6, encoding = "sign_magnitude"}',
    '{exp_bits = 4, man_bits = 2, bias = 9, nan = "negative_zero", infinities = false, subnormals = "none"}',
    '{exp_bits = 3, man_bits = 2, nan = "none", infinities = true, negative_zero = false}',
    '{exp_bits = 4, man_bits = 3, nan = "top_code", signed = false, infinities = true}',
    '{kind = "log", radix = 16, exp_bits = 3, bias = 3, signed = false, nan = "top_code"}',
    '{kind = "log", radix = 4, exp_bits = 3, bias = 4, zero = false}',
    '{kind = "log", radix = 2, exp_bits = 5, bias = 12, steps = 4, table_bits = 9}',
    '{kind = "log", radix = 2, exp_bits = 4, bias = 7, boundary = "geometric"}',
)
"""Formats that are no file: options that no built-in format has"""
BY_RULE = (
    "int1", "int3", "int8", "uint1", "uint8", "2m5e", "3m4e", "5m2e", "u4m4e", "posit4es0", "posit6es1", "posit8",
    *KEYS,
)  # fmt: skip
WIDE = ("int16", "uint16", "int32", "uint64", "binary16p9ue", "binary12p5se", "posit16", "e6m9", "e8m13")
CLASSES = (
    "float8_e4m3fn", "float8_e5m2", "float8_e8m0fnu", "float6_e2m3fn", "float4_e2m1fn", "float4_radix4", "nf4", "int8",
    "binary8p4uf", "binary5p1se", "hfp8_1_4_3", "cfloat8_1_4_3_literal", "posit8", *KEYS, "float16", "bfloat16",
    "dlfloat16", "tensorfloat32", "float32", "int32",
)  # fmt: skip
"""One format of each way of encoding, rounding and overflowing"""
FUNCTION_FORMATS = ("float8_e4m3fn", "float8_e5m2", "float4_radix4", "posit8")


def p3109(least: int, most: int) -> list[str]:
    """The names of P3109's formats of some widths."""
    return [
        f"binary{k}p{p}{sign}{domain}"
        for k in range(least, most + 1) for sign in "su" for p in range(1, k + (sign == "u")) for domain in "ef"
    ]  # fmt: skip


def names() -> list[str]:
    """All built-in formats of single codes, and those by rule."""
    built_in = [name for name in builtin_names("formats") if isinstance(load_any(name), Format)]
    return [*built_in, *BY_RULE, *p3109(3, 8), *WIDE]


def units(
    *, full: bool, only: Iterable[str] = (), vectors: Path | None = None, seed: int = 1,
    backends: tuple[str, ...] = BACKENDS,
) -> Iterator[Work]:  # fmt: skip
    """Every unit of work, the cheapest backend first."""
    wanted = tuple(only)
    chosen = list(wanted) or names()
    for backend in backends:
        for name in chosen:
            fmt = load_format(name)
            extent = _extent(fmt, backend, full)
            if backend != "c" and not full and not wanted and name not in CLASSES:
                continue
            checks = tuple(check for check in CHECKS if backend == "c" or check not in BACKEND_FREE)
            yield from format_units(name, fmt.name, fmt, backend, extent, seed, checks)
    yield from _libraries(chosen, seed)
    if not wanted:
        wide = [name for name in p3109(9, 12) if full or name.endswith("se")]
        for name in wide:
            yield from format_units(name, name, load_format(name), "c", "everything", seed, ("decode",))
        yield from _libraries(wide, seed, ("gfloat decode",))
        yield from _functions(full, seed)
    if vectors is not None and not wanted:
        yield from _vectors(vectors, seed, backends)


def _extent(fmt: Format, backend: str, full: bool) -> str:
    if backend == "c":
        return "everything" if full else "one sweep" if fmt.bits <= 8 else "sample"
    return "sample" if not full or backend == "reference" else "one sweep"


def _libraries(chosen: Iterable[str], seed: int, which: tuple[str, ...] = tuple(OTHERS)) -> Iterator[Work]:
    for name in chosen:
        fmt = load_format(name)
        maker = Maker(spec=name, backend="c", extent="everything", seed=seed)
        for check in which:
            oracle, _, what = check.partition(" ")
            if find_spec(oracle) is None or not _may_have(oracle, fmt.name):
                continue
            yield _work(fmt.name, table_of(fmt), what, oracle, seed, partial(_library, maker, check))


def _library(maker: Maker, check: str) -> Tally | None:
    return OTHERS[check](maker.subject())


def _may_have(oracle: str, name: str) -> bool:
    if oracle == "ml_dtypes":
        import ml_dtypes

        return hasattr(ml_dtypes, name)
    return name.startswith(("binary", "float", "bfloat"))


def _work(name: str, meaning: str, check: str, oracle: str, seed: int, run: Callable[[], Tally | None]) -> Work:
    return Work(format=name, meaning=meaning, backend="c", check=check, oracle=oracle, extent="everything", seed=seed,
                run=run)  # fmt: skip


def _functions(full: bool, seed: int) -> Iterator[Work]:
    if find_spec("gmpy2") is None or find_spec("emu.functions") is None:
        return
    for name in (*FUNCTION_FORMATS, *(("float16", "bfloat16") if full else ())):
        maker = Maker(spec=name, backend="c", extent="everything", seed=seed)
        meaning = table_of(load_format(name))
        for function in mpfr.FUNCTIONS:
            for rounding in mpfr.ROUNDINGS:
                run = partial(_function, maker, function, rounding)
                yield _work(name, meaning, f"{function} {rounding}", "MPFR", seed, run)


def _function(maker: Maker, function: str, rounding: str) -> Tally:
    return mpfr.run(maker.subject(), function, rounding)


def _vectors(folder: Path, seed: int, backends: tuple[str, ...]) -> Iterator[Work]:
    for file in testfloat.files(folder):
        meaning = hashlib.sha256((folder / f"{file}.npz").read_bytes()).hexdigest()
        source, _, operation = file.partition("_")
        for backend in backends:
            if backend != "c" and operation in testfloat.RELATIONS:
                continue
            yield Work(
                format=testfloat.FORMATS[source], meaning=meaning, backend=backend, check=operation, oracle="TestFloat",
                extent="everything" if backend == "c" else "sample", seed=seed,
                run=partial(testfloat.run, folder, file, backend),
            )  # fmt: skip


def absent(vectors: Path | None) -> list[tuple[str, str]]:
    """Oracles that are not there, and why."""
    out = [(name, NOT_INSTALLED) for name in ("ml_dtypes", "gfloat") if find_spec(name) is None]
    if find_spec("gmpy2") is None:
        out.append(("MPFR", NOT_INSTALLED))
    if vectors is None:
        out.append(("TestFloat", "not given"))
    return out

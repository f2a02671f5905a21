"""A unit with its defaults filled in: what the evaluation looks at, and nothing else.

* Every key's default is its neutral value. A unit without levels has one empty level.
* `repeat` writes a level n times in place. `start` defaults to `c` in the outermost level and to `zero` in
  all others.
* `base`: the levels of that unit come first; its outermost level starts at zero instead of c (an explicit
  `none` stays) and hands up after `length` inputs or in `parts`, in one lane. Operands (one by one), product
  and nan are the base's where this unit does not give them. Its k, scale, output and name are not taken.
* `requantize` is appended to `output` as steps.
* Format names are resolved in the file they stand in, with that file's `[alias]`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from .blocks import Blocked
from .codes import Format
from .formats import Formats
from .reading import read_unit
from .requantize import requantize_steps
from .rounding import ALIASES, Cast, number
from .values import Num

CAST_KEYS = ("rounding", "overflow", "ftz", "sr_bits", "sr_variant", "nan_to")
STEP_KEYS = {"multiply", "add", "format", "id", "doc", *CAST_KEYS}
LEVEL_KEYS = {
    "group",
    "length",
    "parts",
    "lanes",
    "order",
    "repeat",
    "start",
    "input",
    "align_bits",
    "align_rounding",
    "align_to",
    "align_min_exp",
    "align_max_shift",
    "zero_sign",
    "nan_order",
    "result",
    "id",
    "doc",
}
SPLIT_KEYS = {"format", "rounding", "overflow", "ftz", "nan_to"}
FACTORS = ("a_scale", "b_scale", "scale", "digits")

Constant = Num | tuple[Num, ...]
Pairs = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Step:
    """Multiply, add, cast; `rounding` is kept without a cast too: it decides the sign of a zero sum."""

    multiply: Constant | str | None
    add: Constant | None
    cast: Cast | None
    rounding: str


Pipe = tuple[Step, ...]


@dataclass(frozen=True)
class Operand:
    """A format, what becomes of subnormals, the zero points given beside it, and the cast on entry."""

    format: Format
    daz: str = "off"
    load: Pipe = ()
    zero: Blocked | None = None

    @property
    def loads_integers(self) -> bool:
        """Whether the value after `load` is on an integer or fixed-point grid."""
        casts = [step.cast.format for step in self.load if step.cast]
        return (casts[-1] if casts else self.format).is_integer


@dataclass(frozen=True)
class Product:
    """How a and b become a product."""

    result: Pipe = ()
    leading_bit: bool = False
    table: tuple[tuple[int, ...], ...] | None = None
    digits: int | None = None
    split: tuple[tuple[Cast, ...], tuple[Cast, ...]] = ((), ())
    terms: Pairs | None = None


@dataclass(frozen=True)
class Level:
    """One stage of the sum; None means `all` for lengths and bits, "not given" for the rest."""

    group: int
    length: int | None
    parts: int | None
    lanes: int
    order: tuple[int, ...] | None
    start: str
    input: Pipe
    align_bits: int | None
    align_rounding: str
    align_to: str | int
    align_min_exp: int | None
    align_max_shift: int | None
    zero_sign: str
    accumulator_first: bool
    result: Pipe

    @property
    def rounds_down(self) -> bool:
        """Whether the first cast of `result` rounds toward negative (an exact zero sum is then -0)."""
        casts = [step.cast for step in self.result if step.cast]
        return bool(casts) and casts[0].rounding == "toward_negative"


@dataclass(frozen=True)
class Unit:
    """Operands, product, levels (innermost first) and output."""

    name: str
    k: int | None
    operands: dict[str, Operand]
    scales: dict[str, Blocked]
    scale_product: Pipe
    product: Product
    levels: tuple[Level, ...]
    output: Pipe
    nan_first: bool
    nan_codes: dict[Format, int]


class Builder:
    """Fills in one file's unit; formats by the file's aliases, tables from the file's folder."""

    def __init__(self, formats: Formats, root: str | Path | None) -> None:
        self.formats, self.root = formats, root
        self.alias: Mapping[str, str] = {}
        self.folder: Path | None = None

    def build(self, unit: str | Path | Mapping[str, Any]) -> Unit:
        """The unit of a name, a path or a mapping."""
        data, self.folder = read_unit(unit, self.root)
        self.alias = data.get("alias", {})
        base = self._base(data["base"]) if "base" in data else None
        operands = {name: self._operand(spec) for name, spec in data.get("operands", {}).items()}
        nan, scale = data.get("nan", {}), data.get("scale", {})
        if base:
            operands = base.operands | operands
        product = self._product(data["product"]) if "product" in data else base.product if base else Product()
        inherited = base if base and "nan" not in data else None
        return Unit(
            name=data.get("name", ""),
            k=data.get("k"),
            operands=operands,
            scales={side: self._blocked(scale[side]) for side in ("a", "b") if side in scale},
            scale_product=self._pipe(scale.get("product")),
            product=product,
            levels=(base.levels if base else ()) + self._levels(data.get("level") or [{}]),
            output=self._pipe(data.get("output")) + self._requantize(data.get("requantize"), operands),
            nan_first=inherited.nan_first if inherited else nan.get("rule") == "first",
            nan_codes=inherited.nan_codes
            if inherited
            else {self._format(name): code for name, code in nan.get("code", {}).items()},
        )

    def _requantize(self, spec: Mapping[str, Any] | None, operands: Mapping[str, Operand]) -> Pipe:
        if spec is None:
            return ()
        d = operands["d"].format
        if d.kind != "integer":
            raise ValueError("requantize is for integer outputs")
        return self._pipe(requantize_steps(spec, d))

    def _base(self, spec: Mapping[str, Any]) -> Unit:
        unit = Builder(self.formats, self.folder if self.root is None else self.root).build(spec["unit"])
        top = unit.levels[-1]
        length = spec.get("length")
        top = replace(
            top,
            start="zero" if top.start == "c" else top.start,
            lanes=1,
            parts=spec.get("parts"),
            length=None if length == "all" else length,
        )
        return replace(unit, levels=(*unit.levels[:-1], top))

    def _format(self, spec: str | Mapping[str, Any] | Format) -> Format:
        return spec if isinstance(spec, Format) else self.formats.get(spec, self.alias)

    def _operand(self, spec: str | Mapping[str, Any]) -> Operand:
        if not isinstance(spec, Mapping) or "format" not in spec:
            return Operand(self._format(spec))
        fmt = self._format(spec["format"])
        point = self._blocked(spec["zero"]) if "zero" in spec else None
        if point and not all(_plain_integer(f) for f in (fmt, point.format)):
            raise ValueError("zero points are for two's complement integers of at most 32 bits")
        return Operand(fmt, spec.get("daz", "off"), self._pipe(spec.get("load")), point)

    def _blocked(self, spec: str | Mapping[str, Any]) -> Blocked:
        if isinstance(spec, Mapping) and "format" in spec:
            return Blocked(self._format(spec["format"]), spec.get("block"))
        return Blocked(self._format(spec), None)

    def _product(self, spec: Mapping[str, Any]) -> Product:
        table = None
        if "table" in spec:
            source = spec["table"]
            rows = np.load((self.folder or Path()) / source).tolist() if isinstance(source, str) else source
            table = tuple(tuple(int(n) for n in row) for row in rows)
        split, terms = spec.get("split", {}), spec.get("terms")
        if not isinstance(split, Mapping):
            split = {"a": split, "b": split}
        if sum(key in spec for key in ("table", "digits", "split")) > 1:
            raise ValueError("product: one of table, digits, split")
        if terms is not None and not {"digits", "split"} & set(spec):
            raise ValueError("product.terms needs split or digits")
        return Product(
            result=self._pipe(spec.get("result")),
            leading_bit=spec.get("exponent") == "leading_bit",
            table=table,
            digits=spec.get("digits"),
            split=(self._casts(split.get("a", ())), self._casts(split.get("b", ()))),
            terms=None if terms is None else tuple((i, j) for i, j in terms),
        )

    def _casts(self, steps: Sequence[Mapping[str, Any]]) -> tuple[Cast, ...]:
        if any(set(step) - SPLIT_KEYS or "format" not in step for step in steps) or len(steps) > 8:
            raise ValueError("product.split: up to 8 steps that only cast")
        made = tuple(step.cast for step in self._pipe(list(steps)) if step.cast)
        if any(cast.format.kind != "float" or cast.rounding in ("exact", "stochastic") for cast in made):
            raise ValueError("product.split casts to floats, neither exactly nor at random")
        return made

    def _levels(self, specs: list[Mapping[str, Any]]) -> tuple[Level, ...]:
        written = [spec for spec in specs for _ in range(spec.get("repeat", 1))]
        last = len(written) - 1
        return tuple(self._level(spec, "c" if i == last else "zero") for i, spec in enumerate(written))

    def _level(self, spec: Mapping[str, Any], start: str) -> Level:
        if unknown := set(spec) - LEVEL_KEYS:
            raise ValueError(f"unknown level keys {sorted(unknown)}")
        rounding = spec.get("align_rounding", "toward_zero")
        return Level(
            group=spec.get("group", 1),
            length=_or_all(spec.get("length", "all")),
            parts=spec.get("parts"),
            lanes=spec.get("lanes", 1),
            order=tuple(spec["order"]) if "order" in spec else None,
            start=spec.get("start", start),
            input=self._pipe(spec.get("input")),
            align_bits=_or_all(spec.get("align_bits", "all")),
            align_rounding=ALIASES.get(rounding, rounding),
            align_to=spec.get("align_to", "all"),
            align_min_exp=spec.get("align_min_exp"),
            align_max_shift=spec.get("align_max_shift"),
            zero_sign=spec.get("zero_sign", "ieee"),
            accumulator_first=spec.get("nan_order") == "accumulator_first",
            result=self._pipe(spec.get("result")),
        )

    def _pipe(self, spec: Mapping[str, Any] | list[Mapping[str, Any]] | None) -> Pipe:
        if spec is None:
            return ()
        return tuple(self._step(step) for step in ([spec] if isinstance(spec, Mapping) else spec))

    def _step(self, spec: Mapping[str, Any]) -> Step:
        if unknown := set(spec) - STEP_KEYS:
            raise ValueError(f"unknown pipe keys {sorted(unknown)}")
        rounding = spec.get("rounding", "ties_to_even")
        cast = None
        if "format" in spec:
            cast = Cast(self._format(spec["format"]), **{key: spec[key] for key in CAST_KEYS if key in spec})
        rounding = ALIASES.get(rounding, rounding)
        return Step(_factor(spec.get("multiply")), _constant(spec.get("add")), cast, rounding)


def _plain_integer(fmt: Format) -> bool:
    return fmt.kind == "integer" and fmt.encoding == "twos_complement" and fmt.bits <= 32


def _or_all(value: int | str) -> int | None:
    return None if value == "all" else value


def _factor(spec: Any) -> Constant | str | None:
    if isinstance(spec, str):
        if spec not in FACTORS:
            raise ValueError(f"multiply = {spec!r}: a number, a list or one of {', '.join(FACTORS)}")
        return spec
    return _constant(spec)


def _constant(spec: Any) -> Constant | None:
    if spec is None:
        return None
    return tuple(number(x) for x in spec) if isinstance(spec, list) else number(spec)

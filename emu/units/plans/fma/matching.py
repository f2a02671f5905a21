"""Which units are chains of fused multiply-adds, or trees of rounded products, in float32 or float64.

The obligations, each checked here:

* every level adds two numbers in a step (group 1; or pairs, from nothing) and rounds the sum once, to one and the same
  float format; with `product.result`, products are rounded to it too (then a step is a multiplication and an addition;
  else one fused multiply-add, to which the operands' product is exact). No alignment, no input pipes, IEEE's zeros;
* the rounding is one of this machine's (overflow as IEEE 754 has it), subnormal results are kept, or flushed as the
  machine flushes them: tiny after rounding with unbounded exponent. The other two kinds of `ftz` are the same where no
  tiny result is inexact: all terms are multiples of the smallest subnormal, or a product has fewer bits than precision;
* operands are numbers of that format; what their `daz` takes for zero is taken for zero as they are read. Between
  pieces of K, d becomes c again: d has no subnormals then (ftz), or c keeps them; `positive` turns -0 into +0 there;
* infinities are the machine's, and so is where a NaN is made. A NaN that is made has one code; elements that a NaN
  operand goes into are computed again for theirs, unless `nan.rule` gives every NaN the default code.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from emu.formats.backend import Backend
from emu.formats.cast import Cast, check_cast
from emu.formats.enums import Daz, Ftz, Overflow, Rounding
from emu.formats.load import load_format
from emu.formats.model import Format
from emu.units.enums import Start, ZeroSign
from emu.units.form import Level, Operand, UnitForm
from emu.units.plans.exact.grid import Grid, casts_of, grid_of, have_codes, identity, keeps_minus_zero
from emu.units.plans.fma import numba_run
from emu.units.plans.fma.order import Shape, shape_of
from emu.units.plans.fma.run import Job, run
from emu.units.plans.plan import Other, Plan, Refusal, UnprovedError

NAME = "fma"
CARRIERS = ("float32", "float64")
ROUNDINGS = (Rounding.TIES_TO_EVEN, Rounding.TOWARD_NEGATIVE, Rounding.TOWARD_POSITIVE, Rounding.TOWARD_ZERO)
"""In the order of the control word's field."""
DEEPEST = 12


@dataclass(frozen=True, kw_only=True)
class _Step:
    """The rounding of every step."""

    cast: Cast
    fused: bool
    flush: bool


def match(form: UnitForm, k: int) -> Plan | Refusal:
    """The plan of a unit whose steps are this machine's own."""
    try:
        return _plan(form, k)
    except UnprovedError as reason:
        return Refusal(plan=NAME, reason=str(reason))


def _plan(form: UnitForm, k: int) -> Plan:
    _check_operands(form, k)
    shape = _shape(form.levels)
    step = _step(form, shape)
    carrier = step.cast.format
    for name, operand in (("a", form.a), ("b", form.b), ("c", form.c)):
        if operand is not None and not _readable(operand, carrier):
            raise UnprovedError(f"{name} ({operand.format.name}) is not read as numbers of {carrier.name}")
    casts = _output(form, carrier)
    pieces = form.k is not None and k > form.k
    clean = _clean(form, step, shape, casts, pieces)
    job = Job(
        double=carrier.name == "float64", rounding=ROUNDINGS.index(step.cast.rounding), flush=step.flush,
        fused=step.fused, depth=shape.depth, clean=clean, casts=casts, start=form.levels[-1].start,
        nan_code=step.cast.nan_code,
    )  # fmt: skip
    return Plan(
        name=NAME,
        proof=_proof(form, k, step, shape, clean),
        rate="up to three times the time of a matrix product in the same format",
        execute=lambda problem, isa: run(problem, isa, job),
        narrow=True,
        also={Backend.NUMBA: Other(execute=partial(numba_run.run, job), narrow=True)} if numba_run.runs(job) else {},
    )


def _proof(form: UnitForm, k: int, step: _Step, shape: Shape, clean: bool) -> tuple[str, ...]:
    what = "a fused multiply-add" if step.fused else "a rounded product and a rounded sum"
    tree = f", then {shape.depth} rows of pairwise adders" if shape.depth else ""
    flushed = "tiny results flushed after rounding" if step.flush else "subnormal results kept"
    lines = [
        f"{k} products in the unit's own order, each step {what}{tree}",
        f"one rounding to {step.cast.format.name}, {step.cast.rounding.value}, {flushed}, in the control word",
        f"a and b are numbers of {step.cast.format.name}",
        "NaN that the machine makes get the unit's code; elements with a NaN operand are computed again",
    ]
    if form.k is not None and k > form.k:
        lines.append(f"pieces of {form.k}: d is c again{', -0 as +0' if clean else ''}")
    return tuple(lines)


def _check_operands(form: UnitForm, k: int) -> None:
    if k == 0:
        raise UnprovedError("no products")
    if form.product.table is not None or form.product.parts is not None:
        raise UnprovedError("products are looked up, or of parts of the operands")
    if form.scale_a is not None or form.scale_b is not None or form.a.zero is not None or form.b.zero is not None:
        raise UnprovedError("block scales or run-time zero points")
    if form.integral_product:
        raise UnprovedError("products of integers have no sign of zero")


def _shape(levels: tuple[Level, ...]) -> Shape:
    shape = shape_of(levels)
    if shape is None or shape.depth > DEEPEST:
        raise UnprovedError("the levels are no chain over pairwise adders over a chain")
    for index, level in enumerate(levels):
        if level.align_bits is not None or level.input:
            raise UnprovedError(f"level[{index}] aligns its addends or has an input pipe")
        if level.zero_sign is not ZeroSign.IEEE:
            raise UnprovedError(f"level[{index}].zero_sign is {level.zero_sign.value}")
        if level.start is Start.C and index < len(levels) - 1:
            raise UnprovedError(f"level[{index}] starts at c, and is not the last")
    return shape


def _step(form: UnitForm, shape: Shape) -> _Step:
    """The one cast of all steps."""
    casts = []
    for index, level in enumerate(form.levels):
        found = casts_of(level.result)
        if found is None or len(found) != 1:
            raise UnprovedError(f"level[{index}].result is no single cast")
        casts += found
    of_products = casts_of(form.product.result)
    if of_products is None or len(of_products) > 1:
        raise UnprovedError("product.result is no single cast")
    how = casts[-1]
    if how.format.name not in CARRIERS or how.format != load_format(how.format.name):
        raise UnprovedError(f"sums are rounded to {how.format.name}")
    exact = _exact_products(form, how)
    if of_products and exact and identity(of_products[0], exact) and _keeps_the_rest(form, of_products[0]):
        of_products = []
    trees = not shape.inner and shape.depth > 0  # of products that are rounded by themselves
    if trees and not of_products and exact is None:
        raise UnprovedError("the first adder takes two unrounded products")
    return _Step(cast=how, fused=not of_products and not trees, flush=_flush(form, [*casts, *of_products], of_products))


def _keeps_the_rest(form: UnitForm, how: Cast) -> bool:
    """Whether a cast of products keeps -0, and the infinities and NaN that the processor's instructions are given."""
    finite = not any(x.load or x.format.infinities or x.format.has_nan for x in (form.a, form.b))
    fmt = how.format
    special = fmt.infinities and fmt.has_nan and how.overflow is not Overflow.SATURATE
    return keeps_minus_zero(how) and (finite or special)


def _exact_products(form: UnitForm, how: Cast) -> Grid | None:
    """The grid of the products, if they are numbers of the carrier."""
    a, b = grid_of(form.a), grid_of(form.b)
    if a is None or b is None:
        return None
    made = a * b
    plain = check_cast(how.format)
    return made if identity(plain, made) else None


def _flush(form: UnitForm, casts: list[Cast], of_products: list[Cast]) -> bool:
    """Whether tiny results are flushed; all casts must agree in everything."""
    how = casts[0]
    for other in casts:
        if other.format != how.format or other.rounding is not how.rounding or other.ftz is not how.ftz:
            raise UnprovedError("the casts differ")
        always = other.overflow is Overflow.INFINITY_ALWAYS and other.rounding is Rounding.TIES_TO_EVEN
        if other.overflow is not Overflow.INFINITY and not always:
            raise UnprovedError(f"overflow is {other.overflow.value}")
    if how.rounding not in ROUNDINGS:
        raise UnprovedError(f"the machine does not round {how.rounding.value}")
    if how.ftz in (Ftz.BEFORE_ROUNDING, Ftz.RESULT):
        a, b = grid_of(form.a), grid_of(form.b)
        product = None if a is None or b is None else a * b
        coarse = product is not None and product.lsb >= how.format.lsb
        short = product is not None and product.bits < how.format.precision and bool(of_products)
        if not coarse and not short:
            raise UnprovedError(f"tiny results are flushed {how.ftz.value}, and may be inexact")
    return how.ftz is not Ftz.OFF


def _readable(operand: Operand, carrier: Format) -> bool:
    if operand.format == carrier:
        return not operand.load
    grid = grid_of(operand)
    return grid is not None and identity(check_cast(carrier), grid)


def _output(form: UnitForm, carrier: Format) -> tuple[Cast, ...]:
    """The casts after the last level that are not the identity."""
    casts = casts_of(form.output)
    if casts is None:
        raise UnprovedError("output does more than cast")
    if not have_codes(casts):
        raise UnprovedError("output has casts of more than 64 bits, which are no codes")
    casts.append(form.d)
    while casts and _same(casts[0], carrier):
        del casts[0]
    return tuple(casts)


def _same(how: Cast, carrier: Format) -> bool:
    keeps = how.overflow in (Overflow.INFINITY, Overflow.INFINITY_ALWAYS) and how.ftz is Ftz.OFF
    return how.format == carrier and keeps and how.rounding in (*ROUNDINGS, Rounding.EXACT)


def _clean(form: UnitForm, step: _Step, shape: Shape, casts: tuple[Cast, ...], pieces: bool) -> bool:
    """Whether a -0 becomes +0 between pieces of K."""
    if not pieces:
        return False
    assert form.c is not None
    if casts or form.c.format != step.cast.format or form.levels[-1].start is not Start.C:
        raise UnprovedError("pieces of K do not hand d to c as it is")
    if form.c.daz is not Daz.OFF and not step.flush:
        raise UnprovedError("a subnormal d is taken for zero by the next piece of K")
    clean = form.c.daz is Daz.POSITIVE
    if clean and ((not shape.inner and not shape.depth) or step.cast.rounding is Rounding.TOWARD_NEGATIVE):
        raise UnprovedError("between pieces of a plain chain, -0 becomes +0")
    return clean

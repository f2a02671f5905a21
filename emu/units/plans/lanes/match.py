"""Which units plan "lanes" runs: nearly all, because its kernel proves each element as it computes it.

The kernel (cemu/src/plans/lanes_kernel.c) is the fold of the general one with values of one 64-bit word: significands
below 2^62 at every place. What would not fit, and every element that meets a NaN or an infinity, is marked and computed
again by the general kernel. So nothing depends on bounds that hold for all codes; but a unit is refused where they say
that hardly any element would fit.

* product: the widest significands of a and b, as decoded, have at most 62 bits together; else all is general;
* sums: exact if the last bits of the addends leave 61 bits to each; two addends before a cast to a float of at most 56
  mantissa bits may leave a sticky bit (lanes_sum.h says why that is enough for every rounding, flush and range check);
* aligned adders: every cut addend, and their sum, below 2^62;
* casts: plain rounding into the range in lanes; all else (and log, codebook and very wide formats) by the general
  kernel's cast, value by value;
* events: counted per element; the general kernel counts those of the elements that it computes.
"""

from __future__ import annotations

from functools import partial

from emu.formats.model import Format
from emu.units.form import Level, Operand, UnitForm
from emu.units.plans.lanes.run import run
from emu.units.plans.plan import Plan, Refusal, UnprovedError

NAME = "lanes"
WORD = 62
"""Bits that a significand has at most."""
OPERAND_BITS = 32
MOST_TERMS = 4096
"""Of a step of an aligned adder: a block of values each."""
MOST_EVENTS = 1 << 31
"""What a counter of the kernel holds."""
RATE = "a few hundred times the time of a float32 product, counting events or not"


def match(form: UnitForm, k: int) -> Plan | Refusal:
    """The plan, if its values fit a word often enough to be worth it."""
    try:
        proof = _proved(form, k)
    except UnprovedError as error:
        return Refusal(plan=NAME, reason=str(error))
    return Plan(
        name=NAME, proof=proof, rate=RATE, execute=partial(run, form), counts=True, raises=True, narrow=True, few=4096
    )  # fmt: skip


def _proved(form: UnitForm, k: int) -> tuple[str, ...]:
    if k == 0:
        raise UnprovedError("K = 0 has no products")
    if form.stochastic:
        raise UnprovedError("random bits are drawn one by one, in the order of execution")
    if form.product.table is None:
        a, b = _bits(form.a, "a"), _bits(form.b, "b")
        if form.product.parts is None and a + b > WORD:
            raise UnprovedError(f"products have {a + b} bits, more than {WORD}")
    casts = 1 + max(len(pipe) for pipe in form.pipes().values())
    if k * form.terms_per_k * casts >= MOST_EVENTS:
        raise UnprovedError(f"an element may have {MOST_EVENTS} events of a kind at one stage")
    for index, level in enumerate(form.levels):
        _check_level(index, level, k * form.terms_per_k)
    return (
        f"significands of a and b have at most {WORD} bits together, as decoded",
        f"every sum that stays exact has at most {WORD} bits, looked at lane by lane",
        "two addends before a rounding to a float keep a sticky bit, at least two bits below the rounding",
        "what else is no finite value of one word is marked, and the general kernel computes the element again",
        "events are counted per element, by the kernel that computes it",
    )


def _bits(operand: Operand, name: str) -> int:
    """Bits that most loaded significands have; integers, and what a load pipe makes, are looked at as they come."""
    fmt = _loaded(operand)
    bits = 1 if fmt.is_integral or fmt.is_listed else fmt.man_bits + 1
    if bits > OPERAND_BITS:
        raise UnprovedError(f"significands of {name} have {bits} bits, more than {OPERAND_BITS}")
    return bits


def _loaded(operand: Operand) -> Format:
    casts = [step.cast for step in operand.load if step.cast is not None]
    return casts[-1].format if casts else operand.format


def _check_level(index: int, level: Level, inputs: int) -> None:
    if level.align_bits is None:
        return
    if level.align_bits > WORD - 2:
        raise UnprovedError(f"level[{index}] keeps {level.align_bits} bits below its alignment exponent")
    if min(level.group, inputs) > MOST_TERMS:
        raise UnprovedError(f"level[{index}] aligns more than {MOST_TERMS} terms at once")

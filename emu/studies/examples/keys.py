"""The keys of a worked example, as typed structs. spec/README.md explains them."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from emu.accelerators.training import GradScaleKeys
from emu.spec.about import FormatKeys, Keys, means

NamedKeys = str | dict[str, Any]
Operand = tuple[Any, ...] | dict[str, Any]
Number = int | float | str
SPELT = "list of values, `{ codes = [list] }`, or a tensor that is drawn"
Seed = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]


class ExampleKeys(Keys, frozen=True, kw_only=True):
    """A worked example: what a unit, a scheme, an accelerator or a gradient's scale makes of what is given."""

    name: Annotated[str, means("what it shows, in a few words")]
    paper: Annotated[str, means("where it is from")] = ""
    note: Annotated[str, means("what else is to be known about it")] = ""
    unit: Annotated[NamedKeys | None, means("whose sum of products it is", values="unit")] = None
    scheme: Annotated[NamedKeys | None, means("instead: what turns `x` into codes", values="scheme")] = None
    accelerator: Annotated[
        NamedKeys | None,
        means("instead: what multiplies `x` and `w`, or adds up a table", values="name, path, or keys"),
    ] = None
    grad_scale: Annotated[
        GradScaleKeys | None,
        means("instead: a gradient's scale in training; `x` has the largest magnitude of each worker, at every step"),
    ] = None
    a: Annotated[Operand | None, means("of a unit, required: one operand of each product", values=SPELT)] = None
    b: Annotated[Operand | None, means("of a unit, required: the other ones", values=SPELT)] = None
    c: Annotated[Operand | None, means("of a unit: where the sum starts", values=SPELT, default="0")] = None
    a_scale: Annotated[Operand | None, means("of a unit: a scale for each block of a", values=SPELT)] = None
    b_scale: Annotated[Operand | None, means("of a unit: a scale for each block of b", values=SPELT)] = None
    a_zero: Annotated[int | None, means("of a unit: the zero point of a")] = None
    b_zero: Annotated[int | None, means("of a unit: the zero point of b")] = None
    seed: Annotated[Seed | None, means("of a unit with stochastic rounding")] = None
    x: Annotated[
        Operand | None,
        means("of a scheme: values that share a scale. Of an accelerator: activations, a list of rows", values=SPELT),
    ] = None
    w: Annotated[Operand | None, means("of an accelerator, required: weights [K, N], a list of rows", values=SPELT)] = (
        None
    )
    table: Annotated[
        Operand | None,
        means("of an accelerator, instead of `x` and `w`: an embedding table, a list of rows", values=SPELT),
    ] = None
    indices: Annotated[tuple[int, ...] | None, means("of a table, required: which rows are added, in order")] = None
    factors: Annotated[
        Operand | None, means("of a table: what each row is multiplied by", values=SPELT, default="1")
    ] = None
    format: Annotated[FormatKeys | None, means("of a scheme: the format of the codes, unless it makes blocks")] = None
    result: Annotated[
        Number | tuple[Any, ...] | None,
        means(
            "what comes out: the value of the sum, or rows of an accelerator's product",
            values='number, `"-61249/64"`, `"nan"`, `"inf"`, or a list of rows',
        ),
    ] = None
    code: Annotated[int | None, means("of a unit: the code of the sum")] = None
    codes: Annotated[
        tuple[int, ...] | None, means("of a scheme: the codes, or the values of integer formats, that come out")
    ] = None
    scale: Annotated[Number | None, means("of a scheme, or a gradient: the scale that comes out")] = None
    steps: Annotated[int | None, means("of a gradient's scale: the steps after which it is at rest")] = None
    zero: Annotated[int | None, means("of a scheme: the zero point that comes out")] = None
    block_scales: Annotated[
        tuple[int, ...] | None, means("of a scheme: the codes of the blocks' scales that come out")
    ] = None


class RepeatKeys(Keys, frozen=True, kw_only=True):
    """A value, or several in turn, many times: an item of an operand's list."""

    repeat: Annotated[
        Number | tuple[Number, ...], means("the value, or the values in turn", values="number, list of numbers")
    ]
    count: Annotated[Annotated[int, msgspec.Meta(ge=1, le=1 << 20)], means("how often")]


class CodesKeys(Keys, frozen=True, kw_only=True):
    """An operand by its codes."""

    codes: Annotated[tuple[Any, ...], means("codes, in the order of k")]

"""Which inputs of a level go into which run: the only part of a unit that depends on K and not on data.

For n inputs of a level (unit-spec sections 1 and 2, `deal`):

* `order` permutes the inputs within each block of its own length; a short last block keeps the positions there are;
* the run length is `length`, or ceil(n / parts / group) * group, or n;
* every lanes * length inputs are dealt in turn to `lanes` runs, which hand up in lane order; a lane of a short tail
  that gets no input has no run;
* the outermost level has exactly one run, also with no input.
"""

from __future__ import annotations

from functools import lru_cache

from emu.units.form import Level, UnitForm


def run_length(level: Level, n: int) -> int:
    """Inputs of one run of a level with n inputs."""
    if level.parts is not None:
        return max(1, -(-n // (level.parts * level.group))) * level.group
    return level.length if level.length is not None else max(n, 1)


def run_count(level: Level, n: int) -> int:
    """How many runs a level with n inputs has (the outermost one has one even with none)."""
    whole, rest = divmod(n, level.lanes * run_length(level, n))
    return whole * level.lanes + min(rest, level.lanes)


def runs(level: Level, n: int) -> list[list[int]]:
    """The inputs of every run, by index, in the order in which they are added."""
    order = _permuted(level.order, n)
    length, lanes = run_length(level, n), level.lanes
    out: list[list[int]] = []
    for start in range(0, n, lanes * length):
        block = order[start : start + lanes * length]
        out.extend(block[lane::lanes] for lane in range(min(lanes, len(block))))
    return out


def _permuted(order: tuple[int, ...], n: int) -> list[int]:
    if not order:
        return list(range(n))
    size = len(order)
    return [start + j for start in range(0, n, size) for j in order if start + j < n]


def level_runs(levels: tuple[Level, ...], terms: int) -> list[list[list[int]]]:
    """The runs of every level, for so many terms into the innermost one.

    Raises:
        ValueError: the outermost level would hand up more than one result.
    """
    out: list[list[list[int]]] = []
    n = terms
    for index, level in enumerate(levels):
        of_level = runs(level, n)
        if index == len(levels) - 1:
            _check_last(n, len(of_level))
            of_level = of_level or [[]]
        out.append(of_level)
        n = len(of_level)
    return out


def _check_last(inputs: int, runs: int) -> None:
    if runs > 1:
        raise ValueError(
            f"the outermost level must hand up one result, but {inputs} inputs make {runs} runs "
            f"(length, parts or lanes of the last level do not cover this K)"
        )


@lru_cache(maxsize=4096)
def check_runs(form: UnitForm, k: int) -> None:
    """Whether the outermost level hands up one result for this K, in the last piece of K too.

    Raises:
        ValueError: it would hand up several; names the unit and K.
    """
    piece = min(form.k or k, k)
    for size in {piece, k % piece if piece else 0}:
        n = size * form.terms_per_k
        for level in form.levels[:-1]:
            n = run_count(level, n)
        try:
            _check_last(n, run_count(form.levels[-1], n))
        except ValueError as error:
            raise ValueError(f"{form.name}: K = {k}: {error}") from None


def check_k(form: UnitForm, k: int) -> None:
    """Whether the unit takes dot products of this length: one after the other where K is longer than `k`.

    Raises:
        ValueError: there is no c to go on from, or c is not what d is; or as `check_runs`.
    """
    if form.k is not None and k > form.k:
        if form.c is None:
            raise ValueError(f"K = {k} needs a chain of {form.name} (k = {form.k}), which has no operand c")
        if form.c.format != form.d.format:
            raise ValueError(
                f"K = {k} needs a chain of {form.name} (k = {form.k}), "
                f"whose c is {form.c.format} but d is {form.d.format}"
            )
    check_runs(form, k)

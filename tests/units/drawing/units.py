"""Random whole units."""

from __future__ import annotations

from random import Random
from typing import Any

from . import additions, formats, levels, pipes

LEVELS = [1, 1, 2, 2, 2, 3, 4]


def _operand(r: Random, spec: formats.Spec, load: float, *, zero: bool = False) -> Any:
    fmt = formats.meaning(spec)
    keys: dict[str, Any] = {"format": spec}
    if fmt.kind == "float" and r.random() < 0.3:
        keys["daz"] = r.choice(["off", "signed", "positive"])
    if r.random() < load:
        keys["load"] = pipes.pipe(r)
    if zero and (point := additions.zero_point(r, fmt)) is not None:
        keys["zero"] = point
    return spec if len(keys) == 1 and r.random() < 0.8 else keys


def _product(r: Random, unit: dict[str, Any]) -> int:
    """The multiplier, with the operands it needs; returns the terms that one k gives."""
    operands, kind = unit["operands"], r.random()
    product: dict[str, Any] = {}
    parts: Any = (1, 1)
    if kind < 0.07:
        bits = {name: r.randint(2, 4) for name in "ab"}
        operands |= {name: f"{r.choice(['', 'u'])}int{n}" for name, n in bits.items()}
        most = r.choice([9, 200, 1 << 40, (1 << 62) - 1])
        product["table"] = [[r.randint(-most, most) for _ in range(1 << bits["b"])] for _ in range(1 << bits["a"])]
    elif kind < 0.17:
        bits = {name: r.randint(1, 9) for name in "ab"}
        operands |= {name: f"{r.choice(['', 'u'])}int{n}" for name, n in bits.items()}
        width = r.randint(1, 4)
        parts = -(-bits["a"] // width), -(-bits["b"] // width)
        product["digits"] = width
    elif kind < 0.27:
        product["split"], *parts = additions.split(r)
    terms = parts[0] * parts[1]
    if {"digits", "split"} & set(product) and r.random() < 0.35:
        product["terms"] = additions.terms(r, *parts)
        terms = len(product["terms"])
    if r.random() < 0.15:
        product["exponent"] = r.choice(["sum", "leading_bit"])
    if r.random() < 0.2:
        product["result"] = pipes.pipe(r)
    if product:
        unit["product"] = product
    return terms


def _scales(r: Random, unit: dict[str, Any]) -> tuple[str, ...]:
    """Block scales; returns what inputs may multiply by."""
    if r.random() > 0.25:
        return ()
    sides = r.choice(["a", "b", "ab", "ab"])
    scale: dict[str, Any] = {}
    for side in sides:
        scale[side] = {"format": r.choice([*formats.SCALES, "e8m0", formats.logarithmic(r)])}
        if r.random() < 0.7:
            scale[side]["block"] = r.choice([1, 2, 3, 4, 8])
    factors = tuple(f"{side}_scale" for side in sides)
    if sides == "ab" and r.random() < 0.6:
        factors = ("scale",)
        if r.random() < 0.4:
            scale["product"] = pipes.pipe(r)
    unit["scale"] = scale
    return factors


def _nan(r: Random, unit: dict[str, Any], names: list[formats.Spec]) -> None:
    nan: dict[str, Any] = {"rule": "first"} if unit.pop("nan_first") else {}
    codes = {}
    for name in {spec for spec in names if isinstance(spec, str)}:
        fmt = formats.meaning(name)
        if fmt.nan == "ieee" and r.random() < 0.25:
            field = ((1 << fmt.exp_bits) - 1 << fmt.man_bits) | r.randint(1, (1 << fmt.man_bits) - 1)
            codes[name] = (field | r.randint(0, 1) << (fmt.exp_bits + fmt.man_bits)) << fmt.ignored_low_bits
    if codes:
        nan["code"] = dict(sorted(codes.items()))
    if nan:
        unit["nan"] = nan


def exact_unit(r: Random) -> dict[str, Any]:
    """A unit whose innermost level is an exact sum over a format with a wide range of exponents."""
    wide = r.choice(["bfloat16", "float32", "float64"])
    operands = {
        "a": wide,
        "b": wide,
        "c": r.choice(["float32", "float64"]),
        "d": r.choice(["float32", "bfloat16", "float64"]),
    }
    inner: dict[str, Any] = {"group": r.choice([2, 4, 64])}
    if r.random() < 0.5:
        inner["zero_sign"] = r.choice(["ieee", "positive"])
    if r.random() < 0.3:
        return {"name": "exact", "operands": operands, "level": [inner]}
    outer = {"start": "c", "result": pipes.feedback(r)} | (levels.alignment(r) if r.random() < 0.5 else {})
    return {"name": "exact", "operands": operands, "level": [inner, outer]}


def unit(r: Random, k: int, n: int) -> tuple[dict[str, Any], int]:
    """A unit for n columns, and a K of at most k that it can run."""
    d = formats.result(r)
    has_c = r.random() < 0.75
    a = formats.operand(r)
    b = a if r.random() < 0.4 else formats.operand(r)
    made: dict[str, Any] = {"name": "drawn", "operands": {"a": a, "b": b}, "nan_first": r.random() < 0.3}
    per_k = _product(r, made)
    k = min(k, 6) if per_k > 1 else k
    if not {"table", "digits"} & set(made.get("product", {})):
        made["operands"] = {name: _operand(r, spec, 0.2, zero=True) for name, spec in made["operands"].items()}
    c = d if r.random() < 0.7 else formats.result(r)
    if has_c and c == d and k > 1 and r.random() < 0.3:
        made["k"] = r.randint(1, k + 1)
    elif r.random() < 0.1:
        made["k"] = max(k, 1) + r.randint(0, 3)
    if has_c:
        made["operands"]["c"] = _operand(r, c, 0.15)
    made["operands"]["d"] = d
    factors = _scales(r, made)
    late = bool(factors) and not any("block" in made["scale"][side] for side in "ab" if side in made["scale"])
    late = late and r.random() < 0.5
    made["level"] = _levels(r, made, min(k, made.get("k", k)) * per_k, () if late else factors, has_c)
    if r.random() < 0.25:
        made["output"] = pipes.pipe(r, factors if late else (), (1, n))
    if late:
        _use_scales(r, made, factors, "output")
    if formats.meaning(d).kind == "integer" and r.random() < 0.4:
        made["requantize"] = additions.requantize(r, formats.meaning(d), n)
    _nan(r, made, [c, d])
    return (_with_base(r, made) if r.random() < 0.12 else made), k


def _levels(r: Random, made: dict[str, Any], n: int, factors: tuple[str, ...], has_c: bool) -> list[dict[str, Any]]:
    count = r.choice(LEVELS)
    tree = r.random() < 0.1
    scaled = 0 if r.random() < 0.7 else r.randrange(count)
    out: list[dict[str, Any]] = []
    for index in range(count):
        outermost = index == count - 1
        used = factors if index == scaled else ()
        if made.get("product", {}).get("digits") and index in (0, count - 1) and r.random() < 0.6:
            used = (*used, "digits")
        given = n
        keys, n = levels.level(r, n, outermost=outermost, factors=used, first=index == 0, nan_first=made["nan_first"])
        if tree and index == 0 and not outermost:
            keys = {**_kept(keys), "group": 2, "length": 2, "start": "none", "repeat": r.randint(2, 4)}
            n = -(-given // 2 ** keys["repeat"])
        out.append(keys)
    _use_scales(r, out[scaled], factors, "input")
    if has_c:
        _start_at_c(out)
    return out


def _kept(keys: dict[str, Any]) -> dict[str, Any]:
    dealing = ("group", "length", "parts", "lanes", "order", "start", "input")
    return {name: value for name, value in keys.items() if name not in dealing}


def _use_scales(r: Random, keys: dict[str, Any], factors: tuple[str, ...], where: str) -> None:
    """Every scale must be used by some input, or by the output."""
    given = keys.get(where, [])
    steps = [given] if isinstance(given, dict) else list(given)
    used = {step.get("multiply") for step in steps if isinstance(step.get("multiply"), str)}
    for factor in factors:
        if factor not in used:
            steps.insert(r.randint(0, len(steps)), {"multiply": factor})
    if steps and steps != ([given] if isinstance(given, dict) else given):
        keys[where] = steps


def _with_base(r: Random, made: dict[str, Any]) -> dict[str, Any]:
    """The same kind of unit, built on another one: its innermost level comes from the base."""
    if len(made["level"]) < 2 or "repeat" in made["level"][0]:
        return made
    last, *outer = made["level"]
    handed = {name: last.pop(name) for name in ("length", "parts") if name in last}
    last.pop("lanes", None)
    if last.get("start") == "c":
        del last["start"]
    moved = ("product", "nan") if r.random() < 0.7 else ("product",)
    if "nan" not in moved:
        last.pop("nan_order", None)
    below = {"operands": made["operands"], "level": [last]} | {key: made[key] for key in moved if key in made}
    out = {key: value for key, value in made.items() if key not in (*moved, "level")}
    out |= {"base": {"unit": below, **handed}, "level": outer}
    if r.random() < 0.5:
        out["operands"] = {name: value for name, value in made["operands"].items() if name in "cd"}
    if "c" in made["operands"]:
        _start_at_c(outer)
    return out


def _start_at_c(written: list[dict[str, Any]]) -> None:
    """Some level must start at c."""
    if not any(keys.get("start", "c" if keys is written[-1] else "zero") == "c" for keys in written):
        written[-1]["start"] = "c"

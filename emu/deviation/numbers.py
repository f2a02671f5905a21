"""Numbers as people read them: one spelling for the terminal and the report.

* SQNR in dB with one decimal, `exact` where no element differs, `−∞` where the truth is all zeros, `–` where
  there is nothing to judge.
* Counts in full up to 99 999, then with three digits and k, M, G, T; `–` for what was not counted.
* Shares in percent, never `100 %` for less than all and never `0 %` for more than none. Parts of an error may be
  negative, or more than all of it.
"""

from __future__ import annotations

import math


def decibels(x: float) -> str:
    """An SQNR, without its unit."""
    if math.isnan(x):
        return "–"
    if math.isinf(x):
        return "exact" if x > 0 else "−∞"
    return f"{x:.1f}".replace("-", "−")


def decibels_unit(x: float) -> str:
    """An SQNR with its unit, where it is a number."""
    text = decibels(x)
    return text if text in ("exact", "–") else f"{text} dB"


def plural(n: int, noun: str) -> str:
    """`1 node`, `2 nodes`."""
    return f"{count(n)} {noun}" if n == 1 else f"{count(n)} {noun}s"


def short(x: float) -> str:
    """Three significant digits; `–` for NaN."""
    if math.isnan(x):
        return "–"
    if math.isinf(x):
        return "∞" if x > 0 else "−∞"
    return f"{x:.3g}".replace("-", "−")


def cosine(x: float) -> str:
    """A cosine with six decimals, cut (not rounded) so that 1 means 1."""
    if math.isnan(x):
        return "–"
    return f"{math.trunc(x * 1e6) / 1e6:.6f}".replace("-", "−")


def count(n: int | None) -> str:
    """A count, thousands separated by a thin space."""
    if n is None:
        return "–"
    if abs(n) < 100_000:
        return f"{n:,}".replace(",", "\u202f")
    for power, unit in enumerate("kMGT", 1):
        scaled = n / 1000**power
        if abs(scaled) < 999.5 or unit == "T":
            return f"{scaled:.3g}\u202f{unit}"
    raise AssertionError("the loop returns")


def share(part: int, whole: int) -> str:
    """The share part / whole in percent."""
    if whole == 0:
        return "–"
    text = f"{100 * part / whole:.2f}"
    if text == "100.00" and part < whole:
        text = "> 99.99"
    if text == "0.00" and part:
        text = "< 0.01"
    return f"{text} %"


def percent(x: float) -> str:
    """A part of an error in percent, without the sign for it: `97`, `3.1`, `−12`; `≈0` for very little."""
    if math.isnan(x):
        return "–"
    if x == 0:
        return "0"
    if abs(x) < 0.0005:
        return "≈0"
    if abs(x) >= 1000:
        return short(100 * x)
    text = f"{100 * x:.1f}" if abs(x) < 0.0995 else f"{100 * x:.0f}"
    return text.replace("-", "−")


def part(x: float) -> str:
    """A mean of shares in percent with two decimals, cut (not rounded) so that 100 means all; `–` for NaN."""
    return "–" if math.isnan(x) else f"{math.trunc(x * 1e4) / 100:.2f} %"


def agreement(x: float, rows: int) -> str:
    """A share of rows that agree, in percent; `–` if there is none."""
    return "–" if math.isnan(x) or not rows else share(round(x * rows), rows)


def seconds(x: float) -> str:
    """A duration: milliseconds below one second, then seconds, minutes, hours."""
    if x < 1:
        return f"{1000 * x:.0f} ms"
    if x < 7200:
        return f"{x:.1f} s" if x < 120 else f"{x / 60:.1f} min"
    return f"{x / 3600:.1f} h"


def shape(dims: tuple[int, ...]) -> str:
    """`450×10×8×8`; `scalar` for none."""
    return "×".join(str(d) for d in dims) or "scalar"

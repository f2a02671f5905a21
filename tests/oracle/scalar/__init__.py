"""An independent oracle of scalar arithmetic: exact rationals, one rounding, flags.

Written from the pages (spec/README.md, IEEE 754-2019, P3109 v4.0) without looking at emu's arithmetic; it imports
nothing from emu and shares nothing with it.

* `numbers`: what a code stands for: NaN, infinity, a signed magnitude that is rational or the root of a rational.
* `formats`, `decoding`, `encoding`: a format from its keys; codes to values by rule, and back.
* `places`: where a magnitude falls on a grid: by formula (floats and integers of any width) or by looking it up in the
  sorted list of values (every format of at most 16 bits). The two are tested against each other.
* `directions`: which of the two neighbours each rounding takes.
* `casting`: rounding, flushing, overflow, flags.
* `exact`, `relations`: exact results, comparisons and neighbours.
* `pairs`: all pairs of codes of a small format at once.
"""

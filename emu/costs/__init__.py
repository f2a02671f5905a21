"""What a unit costs: gates, registers, energy for each MAC and memory traffic, from its resolved form alone.

An analytic model for comparing datapaths before anything is synthesised. It reads the form that the backends run, and
its widths from emu/units/widths.py and ranges.py, so that every legal unit has a cost.

* Area is in gate equivalents (GE): cell area over that of a two-input NAND. Constants are in spec/cost/default.toml,
  each with source and range: full adder 5.33, half adder 3.33, flip-flop 5.67, 2:1 multiplexer 2.33, XOR 2, AND 1.33.
* Energy is GE times a constant for each use: 0.59 fJ in adders, multipliers and decoders; 0.29 fJ in alignment,
  normaliser and rounding, whose multiplexers a few lines steer; 4.3 fJ for a register bit. They are fitted to one
  integer and four float operations of Horowitz (ISSCC 2014, 45 nm, 0.9 V). Data are taken to be random; what
  a network's zeros save is not seen.
* A part's formula stands where it is computed:

  | part | formula | where |
  |---|---|---|
  | adders, multipliers, shifters, leading zeros, tables | from widths | blocks.py |
  | operand decode | hidden bit, special values; tables for codebooks; zero points, casts on entry | datapath.py |
  | multiplier | array of the significands, hidden bit included; one bit (powers of two): AND gates only | blocks.py |
  | table (approximate multipliers) | 2^n / n gates a bit of output, the worst Boolean function | blocks.py |
  | exponent add | an adder of the wider exponent, and one bit | datapath.py |
  | alignment, adder tree, accumulator | the adder's width, which addends move, rows | levels.py |
  | normaliser, rounding, scales, weights | multiply, add and cast of a pipe | pipes.py |
  | block scales' product | once for each block | datapath.py |
  | c, output pipe, cast to d | once for each result: over K, or the MACs of one instruction | datapath.py |
  | how many of each, how often used | spatial levels, the loop, what is above it | rates.py |

* Traffic: bits of an element of a and b with its share of scales and zero points, once for each tile of results, and
  each result once: a/columns + b/rows + d/K bits for each MAC. An accelerator's traffic is under its schemes: a float32
  scale for each token or channel; its output format instead of d.

**More is never less.** A wider field never lowers gates, register bits or energy for each MAC, K and all else fixed:

* significand and exponent bits of a and b (floats), bits of a and b (integers);
* significand and exponent bits, or bits of an integer, of what a level's `result` or `product.result` casts to, and
  of c;
* `align_bits`; also to `all`, where the level casts to a float in each step and cuts toward zero;
* bits of a scale's exponent and significand.

More products in a step (`group`, of the only level) raise gates and register bits, but lower what is shared in each
MAC. Not claimed: d, the formats of `load`, `input` and `output` (a narrower one may need a rounding that a wider one
does not), `length`, `lanes` (they say what stands side by side), K; `align_bits = "all"` without a float result: then
the point stands still, which is another construction (nor, for that step, any other `align_rounding`: it goes away).

**Error.** `emu cost --published` compares 23 published ratios: area ratios are within 1.3 times, energy ratios within
1.5 times, integers against floats within 2 times, but for four that are named there with the reason (the fp32 to fp16
adder's area; Booth's recoding in 32-bit integer multipliers; the area of fp32 multipliers against int8; INT4 x log4
with an fp16 sum of its own: 1.0 of an FP16 FMA, where the four-way tree has 0.49 and the paper says 0.55). The energy
constants being fitted to some of Horowitz' operations, those rows check the shape of the formulas rather than their
scale. MXINT8 against MXFP8 has the published area, but 0.92 of the energy where 0.63 is published. Absolute areas at
45 nm (0.798 um2 for a gate) are right within 10 % for integer operations (a wide multiplier: 1.5 times too large), and
1.2 to 2 times too small for float ones; absolute energies of all of them are within 2 times.

**Not modelled:** timing, so no area-delay product: everything is taken at one relaxed clock; pipeline registers; wires,
placement, clock tree, clock gating; voltage and frequency scaling, leakage; sharing of hardware between formats or
roundings; control; decoders shared by rows or columns of an array (each multiplier has its own); logic for NaN and
infinity behind the decoder; energy of memory. An exact sum of more than two floats is priced as wide as its worst case.
"""

from emu.costs.cells import CostModel, Errors, load_model
from emu.costs.result import Cost, Part, PartKind, Traffic, objectives
from emu.costs.run import cost

__all__ = ["Cost", "CostModel", "Errors", "Part", "PartKind", "Traffic", "cost", "load_model", "objectives"]

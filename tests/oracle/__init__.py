"""An independent executor of the unit language, written from its pages alone.

It shares no code with the product. Slow, exact and short enough to be checked against the pages by eye:

* `values`, `codes`, `formats` - what a code stands for; formats by name
* `rounding`, `stream` - how a real number becomes a value of a format; random bits
* `reading`, `calls` - unit files, families, and parameters at the point of use
* `model`, `requantize` - a unit with its defaults filled in
* `blocks`, `flushing`, `parts`, `exact` - operands with their scales and zero points, products, sums
* `dealing`, `units` - the evaluation: `Executor(unit).matmul(a, b, c)`
* `events` - what happened, and where: `Executor(unit).log`
* `convolution`, `lowering` - layers as a plain loop over products, schemes and epilogue
"""

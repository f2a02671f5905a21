"""An independent executor of the unit language, written from its pages alone.

It shares no code with the product. Slow, exact and short enough to be checked against the pages by eye:

* `values`, `codes`, `formats` - what a code stands for; formats by name
* `rounding`, `stream` - how a real number becomes a value of a format; random bits
* `reading`, `model` - unit files, and a unit with its defaults filled in
* `exact`, `units` - the evaluation: `Executor(unit).matmul(a, b, c)`
* `convolution`, `lowering` - layers as a plain loop over products, schemes and epilogue
"""

"""Encoding, decoding and casting of whole arrays at the speed of memory, with the bits of the general kernel.

* `encode`: float32 and float64 to codes of at most 32 bits on a regular grid (floats, integers, fixed point), by every
  deterministic rounding; what is special (overflow, infinities, NaN) is asked of the general kernel once for each cast.
* `lookup`: casts from, and values of, codes of at most 16 bits by a table of all of them, made by the general kernel.
* `numbers`: values of codes of at most 32 bits, by moving the fields of floats; `whole`: of integers beyond 16 bits.
* `by_numba`: what of `encode` and of decoding Numba has, for backend = "numba".
* `blocks`: block formats whose scales are powers of two.

Each says None where it cannot; then the general kernel runs. Arrays of many elements are cut over the cores.
"""

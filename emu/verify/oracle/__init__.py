"""The oracle of `emu verify`: a second implementation of formats and scalar arithmetic, slow and plain.

* Written from spec/README.md, IEEE 754-2019 and P3109 v4.0, not from emu's code. Of emu it uses the reading of TOML
  and the structs of keys (emu.formats.spec); it computes nothing with emu's formats, casts or operations.
* A number is an integer times the format's unit, a power of two; an exact result is a quotient of two integers, or
  the square root of one. Rounding is a search in the sorted list of all values (`forms`, `placing`), for every format
  alike; beyond 16 bits the list is not written down, its members are computed when the search asks for them.
* Each distinct exact result is placed once; every rounding and overflow is then a look-up over arrays (`casting`).

Not modelled: `daz`, `ftz`, and the NaN rules `x86` and `arm`.
"""

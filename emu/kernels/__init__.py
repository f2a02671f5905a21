"""The Numba kernels of values, codes and casts: the functions of cemu/src, one by one.

Read them next to the C sources of the same name. The kernels of units (emu/units/kernels) and of scalar operations
(emu/operations/kernel.py) call them. Their sources,
together, name the folder of the compiled code (see emu/kernels/cache.py): Numba alone would not notice an edited
helper.

Arithmetic rules: every word is uint64 and every count int64, so that no expression mixes the two (Numba would make it
float64); no fastmath, no floating point at all.
"""

"""The Numba kernels: the general kernel of cemu/src, function by function, over the same tables.

Read them next to the C sources of the same name. They are kept apart from the rest because their sources, together,
name the folder of the compiled code (see emu/units/numba_cache.py): Numba alone would not notice an edited helper.

Arithmetic rules: every word is uint64 and every count int64, so that no expression mixes the two (Numba would make it
float64); no fastmath, no floating point at all.
"""

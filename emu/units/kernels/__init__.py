"""The Numba kernels of units: the general kernel of cemu/src, function by function, over the same tables.

Read them next to the C sources of the same name; emu/kernels has what they build on, and the rules for all of them.
"""

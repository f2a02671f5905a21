"""Fast Numba kernels of plans (emu/units/plans): specialised at first use by what LLVM can fold, then kept on disk.

They are written with vectors as values (lanes.py), so that no loop waits for a compiler to find its vectors: what a
kernel says is what it runs. A kernel is made by a function of the module whose arguments, plain numbers, become
constants of the code; Numba keys its cache by them, by the machine, and (emu/kernels/cache.py) by all sources.

Arithmetic: no fastmath, and multiplications and additions join only where a kernel says `fma`.
"""

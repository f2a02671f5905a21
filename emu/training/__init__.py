"""Training in low precision: a small network whose products, forward and backward, all run through an accelerator.

Above `emu.layers` and `emu.accelerators`, which say what a product computes; below `emu.workloads`, whose task
`training` runs it. Nothing here knows a system by its name: what differs is in the accelerator's files.
"""

from emu.training.grad_scale import GradScale, Vote

__all__ = ["GradScale", "Vote"]

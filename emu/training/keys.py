"""The keys of a training workload's `[training]`."""

from __future__ import annotations

from typing import Annotated

import msgspec

from emu.spec.about import Keys, means

Count = Annotated[int, msgspec.Meta(ge=1, le=1 << 20)]
Seed = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]
IMAGES = 1347
"""To train on: no batch is larger (`emu.training.digits`)."""
NotNegative = Annotated[float, msgspec.Meta(ge=0, le=1e6)]


class RunKeys(Keys, frozen=True, kw_only=True):
    """How a network is trained, and where its gradients are looked at."""

    seeds: Annotated[
        Annotated[tuple[Seed, ...], msgspec.Meta(min_length=1)],
        means("of the first weights and of the order of the images; `limit` says how many are taken"),
    ]
    steps: Annotated[Count, means("updates of the weights")]
    batch: Annotated[Annotated[int, msgspec.Meta(ge=1, le=IMAGES)], means("images of an update")]
    rate: Annotated[NotNegative, means("the learning rate η")]
    momentum: Annotated[NotNegative, means("the momentum μ")] = 0.9
    decay: Annotated[NotNegative, means("the L2 decay λ of weights, not of biases")] = 0.0
    settle: Annotated[
        Count,
        means(
            "passes with the weights of float32 training held, in which gradient scales and clips come to rest before "
            "gradients are compared with float32's"
        ),
    ] = 32
    trains: Annotated[bool, means("whether machines train; if not, only errors of gradients are looked at")] = True
    compared: Annotated[Count, means("batches on which gradients are then compared")] = 4

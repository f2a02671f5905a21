"""What may be done to a drawn tensor, one thing each; see `base`."""

from emu.workloads.synthetic.changes.base import ChangeKeys as ChangeKeys
from emu.workloads.synthetic.changes.base import ChangeKind as ChangeKind
from emu.workloads.synthetic.changes.channels import MultiplyKeys, OffsetKeys, RangesKeys
from emu.workloads.synthetic.changes.functions import ClampKeys, GeluKeys, LayerNormKeys, SoftmaxKeys
from emu.workloads.synthetic.changes.mix import MixKeys

CHANGES: dict[ChangeKind, type[ChangeKeys]] = {
    ChangeKind.MULTIPLY: MultiplyKeys,
    ChangeKind.RANGES: RangesKeys,
    ChangeKind.OFFSET: OffsetKeys,
    ChangeKind.MIX: MixKeys,
    ChangeKind.CLAMP: ClampKeys,
    ChangeKind.GELU: GeluKeys,
    ChangeKind.SOFTMAX: SoftmaxKeys,
    ChangeKind.LAYER_NORM: LayerNormKeys,
}

"""Replay: a model, layer by layer, under an accelerator."""

from emu.replaying.result import Fallback, FallbackReason, LayerRun, Mode, OutputPair, ReplayRun, Truth

__all__ = ["Fallback", "FallbackReason", "LayerRun", "Mode", "OutputPair", "ReplayRun", "Truth"]

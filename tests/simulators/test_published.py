"""The published layout: facts seen in the published V = 50 data directory, formats, and files written atomically."""

import json

import numpy as np
import pytest

from implicit_bayes.simulators import released_prompts as prompts_module
from implicit_bayes.simulators.atomic import written_aside
from implicit_bayes.simulators.datasets import Documents, Prompts
from implicit_bayes.simulators.published import (
    vocabulary_words,
    write_documents,
    write_npz,
    write_prompts_npz,
    write_published,
    write_tokenizer,
)
from implicit_bayes.theory.objects.checks import ModelError


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """The validation split, the tokenizer and a recipe of prompts cut to 12 of each set, V = 50."""
    path = tmp_path_factory.mktemp("published")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prompts_module, "PROMPTS", 12)
        patch.setattr(prompts_module, "SHOTS", (0, 1))
        patch.setattr(prompts_module, "LABEL_BATCH", 32)
        written = write_published(path, 50, "validation", prompts=None)
    assert {file.name for file in written} == {file.name for file in path.iterdir()}
    assert [file.name for file in written[:3]] == ["val.txt", "val.json", "tokenizer.json"]
    return path


def test_published_val_json(directory):
    """Length, record boundary, and records of the published val.json."""
    text = (directory / "val.json").read_text()
    assert len(text) == 556639
    lines = text.split("\n")
    assert len(lines) == 100
    at = next(i for i, line in enumerate(lines) if line.startswith('{"text":"x e a j \\/ x s x \\/ n e e n e \\/ j m'))
    assert "n ax ai ah ai ah o \\/ o \\/ o \\/ ax ax ax f ah l am" in lines[at][:120]
    assert sum(len(line) + 1 for line in lines[:at]) == 200379 + 1
    assert lines[at - 1].endswith("78,70,74,71,76,79,72,77,72,75,78,70,74]}")
    record = json.loads(lines[at])
    assert list(record) == ["text", "hmm_idx", "hmm_type", "hiddens"]
    assert (record["hmm_idx"], record["hmm_type"]) == (2, "ID")
    assert record["hiddens"][:10] == [27, 22, 29, 25, 20, 27, 28, 27, 20, 23]
    last = json.loads(lines[-1])
    assert '"hmm_idx":0,"hmm_type":"ID","hiddens":[10,16,15,18,12,' in lines[-1]
    assert last["hiddens"][:10] == [10, 16, 15, 18, 12, 18, 11, 15, 13, 17]
    assert text.endswith("91,95,98,91,93,37,39,34,39,33,30,36,35,37,34,34,34,54]}")
    assert len(last["hiddens"]) == len(last["text"].split()) == 1024


def test_published_val_txt(directory):
    text = (directory / "val.txt").read_text()
    assert len(text) == 243948
    assert text.endswith("aw au / v y ae at at ae as k ae d d k / / as g i as k au ag r ag v / ah au au r r r aw / ")
    records = [json.loads(line)["text"] for line in (directory / "val.json").read_text().split("\n")]
    assert text == "".join(record + " / " for record in records)


def test_published_tokenizer(directory):
    text = (directory / "tokenizer.json").read_text()
    assert len(text) == 853
    assert text.startswith(
        '{"version": "1.0", "truncation": null, "padding": null, "added_tokens": [{"id": 0, "special"'
    )
    assert text.endswith('"av": 48, "aw": 49, "ax": 50}, "unk_token": "<unk>"}}')
    config = json.loads(text)
    assert config["model"]["vocab"]["[endoftext]"] == 0
    assert [config["model"]["vocab"][word] for word in vocabulary_words(50)] == list(range(1, 51))


def test_vocabulary_words():
    words = vocabulary_words(150)
    assert words[:3] == ["/", "a", "b"]
    assert words[26:29] == ["z", "ab", "ac"]
    assert words[51:54] == ["az", "ba", "bc"]  # no "aa", no "bb"
    assert len(set(words)) == 150
    assert vocabulary_words(1 + 26 + 650 + 1)[-1] == "abc"
    with pytest.raises(ModelError, match="vocabulary"):
        vocabulary_words(0)


@pytest.mark.parametrize("stem", ["id_prompts_randomsample", "ood_prompts_randomsample"])
@pytest.mark.parametrize("k", [3, 5, 8, 10])
def test_prompt_files(directory, stem, k):
    text = (directory / f"{stem}_{k}.json").read_text()
    records = [json.loads(line) for line in text.split("\n")]
    assert [record["n_examples"] for record in records] == [0] * 12 + [1] * 12
    for record in records:
        fields = ["text", "label", "x", "slot_pattern", "test_value", "hmm_type", "n_examples", "hmm_id"]
        assert list(record) == fields
        words = record["text"].split(" ")
        assert len(words) == (k + 1) * record["n_examples"] + k - 1
        assert words[-(k - 1) :] == record["x"]
        assert len(record["slot_pattern"]) == k + 1
        assert record["slot_pattern"][-1] == 0
        assert record["label"] in vocabulary_words(50)
        assert 0 <= record["test_value"] <= 9
        assert 0 <= record["hmm_id"] <= 4
        assert record["hmm_type"] == ("ID_sample" if stem.startswith("id") else "OOD_sample")
    assert '": ' not in text
    assert "/" not in text.replace("\\/", "")
    assert (directory / f"{stem}_{k}.txt").read_text() == "".join(record["text"] + " / " for record in records)


def test_no_prompt_files_unless_asked(tmp_path):
    written = write_published(tmp_path / "made", 50, "train", documents=1, length=5)
    assert [file.name for file in written] == ["train.txt", "train.json", "tokenizer.json"]
    record = json.loads((tmp_path / "made" / "train.json").read_text())
    assert len(record["hiddens"]) == len(record["text"].split(" ")) == 5


def test_a_bad_request_leaves_the_directory_as_it_was(tmp_path):
    write_published(tmp_path, 50, "train", documents=1, length=5)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    for request in ({"documents": 1001}, {"lengths": [4], "prompts": 1}, {"length": 0}):
        with pytest.raises(ModelError):
            write_published(tmp_path, 50, "train", **request)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


class Stop(BaseException):
    """An interrupt."""


def test_an_interrupted_write_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def write_half():
        with written_aside(path) as file:
            file.write("half")
            file.flush()
            assert path.read_text() == "old"
            raise Stop

    with pytest.raises(Stop):
        write_half()
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]
    with written_aside(path) as file:
        file.write("new")
    assert path.read_text() == "new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]


def test_a_place_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file" / "below.txt", tmp_path):
        with pytest.raises(ModelError, match="cannot be written") as caught, written_aside(place) as file:
            file.write("x")
        assert "\n" not in str(caught.value)
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_documents_of_any_source_can_be_published(tmp_path):
    documents = Documents(np.array([[1, 0], [2, 2]]), np.array([[5, 0], [6, 7]]), np.array([1, 0]))
    write_documents(tmp_path, "train", documents, ["/", "x", "y"])
    assert (tmp_path / "train.txt").read_text() == "x / / y y / "
    expected = '{"text":"x \\/","hmm_idx":1,"hmm_type":"ID","hiddens":[5,0]}\n'
    expected += '{"text":"y y","hmm_idx":0,"hmm_type":"ID","hiddens":[6,7]}'
    assert (tmp_path / "train.json").read_text() == expected
    write_tokenizer(tmp_path, ["/", "x", "y"])
    assert json.loads((tmp_path / "tokenizer.json").read_text())["model"]["vocab"]["y"] == 3


def test_npz_round_trip_without_pickles(tmp_path):
    documents = Documents(np.array([[1, 0, 2]]), np.array([[5, 0, 1]]), np.array([1]))
    with np.load(write_npz(tmp_path / "data.npz", documents, delimiter=0, vocabulary=3), allow_pickle=False) as data:
        assert set(data.files) == {*Documents._fields, "delimiter", "vocabulary"}
        for name in Documents._fields:
            np.testing.assert_array_equal(data[name], getattr(documents, name))
        assert (int(data["delimiter"]), int(data["vocabulary"])) == (0, 3)


def test_prompts_are_written_without_copies_of_documents(tmp_path):
    prompts = Prompts(np.arange(10).reshape(2, 5), np.array([0, 1]), np.array([0, 0]))
    path = write_prompts_npz(tmp_path / "prompts.npz", prompts, k=2, delimiter=0, vocabulary=3)
    with np.load(path, allow_pickle=False) as data:
        assert set(data.files) == {*(f"prompt_{name}" for name in Prompts._fields), "k", "delimiter", "vocabulary"}
        for name in Prompts._fields:
            np.testing.assert_array_equal(data[f"prompt_{name}"], getattr(prompts, name))
        assert (int(data["delimiter"]), int(data["vocabulary"]), int(data["k"])) == (0, 3, 2)
    with pytest.raises(ModelError, match="k: "):
        write_prompts_npz(tmp_path / "other.npz", prompts, 1, 0, 3)
    assert not (tmp_path / "other.npz").exists()

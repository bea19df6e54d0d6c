"""Data sets as files: the published GINC layout, byte for byte, and plain npz.

- ``train.txt``, ``val.txt``: every document's words, then " / ".
- ``train.json``, ``val.json``: one record a line, as pandas wrote them (no spaces, "/" as "\\/", no final newline).
- ``tokenizer.json``: the word-level tokenizer, whose id 0 is "[endoftext]", so that token v has id v + 1.
- ``id_prompts_randomsample_{k}.json``, ``ood_…``, and their ``.txt`` twins.

Source: the layout of p-lambda/incontext-learning's data directory.
"""

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, count, islice, permutations
from pathlib import Path
from string import ascii_lowercase

import numpy as np

from implicit_bayes.simulators.atomic import written_aside
from implicit_bayes.simulators.datasets import Documents, Prompts, as_count
from implicit_bayes.simulators.json_types import JsonObject
from implicit_bayes.simulators.released import released_documents
from implicit_bayes.simulators.released_prompts import LENGTHS, PromptSet, released_prompts

STEMS = {"train": "train", "validation": "val"}
PROMPT_STEMS = {"ID_sample": "id_prompts_randomsample", "OOD_sample": "ood_prompts_randomsample"}
DELIMITER_WORD = "/"


def vocabulary_words(vocabulary: int) -> list[str]:
    """The V words of the release: "/" for token 0, then permutations of the letters: a..z, ab, ac, … (no "aa").

    Returns:
        Words by token.

    Raises:
        ModelError: fewer than one token.
    """
    words = chain.from_iterable(map("".join, permutations(ascii_lowercase, letters)) for letters in count(1))
    return [DELIMITER_WORD, *islice(words, as_count("vocabulary", vocabulary) - 1)]


def write_published(
    directory: str | os.PathLike[str],
    vocabulary: int,
    split: str,
    documents: int | None = None,
    length: int | None = None,
    lengths: Sequence[int] = LENGTHS,
    prompts: int | None = 0,
) -> list[Path]:
    """One released split, the tokenizer and, unless ``prompts`` is 0, the prompt files, in the published layout.

    Args:
        directory: where the files go; made if missing.
        vocabulary: V; the release used 50, 100 and 150.
        split: "train" or "validation".
        documents, length: how much of the split (see ``released_documents``).
        lengths: which k of the prompt files.
        prompts: how many of the 2500 prompts of each (k, n); None for all, 0 for no prompt files.

    Returns:
        The files written, in order.

    Raises:
        ModelError: more than the release holds, or a directory that cannot be written.
    """
    words = vocabulary_words(vocabulary)
    sets = released_prompts(vocabulary, lengths, prompts=prompts) if prompts != 0 else iter(())
    paths = write_documents(directory, split, released_documents(vocabulary, split, documents, length), words)
    paths.append(write_tokenizer(directory, words))
    for members in _files(sets):
        paths += write_prompts(directory, members, words)
    return paths


def _files(sets: Iterable[PromptSet]) -> Iterator[list[PromptSet]]:
    """Consecutive sets of one kind and one k: the contents of one file."""
    members: list[PromptSet] = []
    for part in sets:
        if members and (members[0].kind, members[0].k) != (part.kind, part.k):
            yield members
            members = []
        members.append(part)
    if members:
        yield members


def write_documents(
    directory: str | os.PathLike[str], split: str, documents: Documents, words: Sequence[str]
) -> list[Path]:
    """``train.txt`` and ``train.json``, or ``val.txt`` and ``val.json``.

    Args:
        directory: where.
        split: train or validation.
        documents: what.
        words: the spelling of every token.

    Returns:
        Paths of both files.
    """
    stem = Path(directory) / STEMS[split]
    text, record = stem.with_suffix(".txt"), stem.with_suffix(".json")
    spell = np.array(words, dtype=object)
    with written_aside(text) as raw, written_aside(record) as lines:
        for index in range(len(documents.concepts)):
            body = " ".join(spell[documents.tokens[index]])
            hiddens, concept = documents.states[index].tolist(), int(documents.concepts[index])
            raw.write(f"{body} {DELIMITER_WORD} ")
            lines.write("\n" if index else "")
            lines.write(_line({"text": body, "hmm_idx": concept, "hmm_type": "ID", "hiddens": hiddens}))
    return [text, record]


def write_prompts(directory: str | os.PathLike[str], sets: Sequence[PromptSet], words: Sequence[str]) -> list[Path]:
    """The ``.json`` file and its ``.txt`` twin of prompt sets that share kind and k.

    Args:
        directory: where.
        sets: of one kind and one k, by n.
        words: the spelling of every token.

    Returns:
        Paths of both files.
    """
    stem = f"{PROMPT_STEMS[sets[0].kind]}_{sets[0].k}"
    record, text = (Path(directory) / f"{stem}{suffix}" for suffix in (".json", ".txt"))
    with written_aside(record) as lines, written_aside(text) as raw:
        for index, fields in enumerate(chain.from_iterable(prompt_records(part, words) for part in sets)):
            lines.write("\n" if index else "")
            lines.write(_line(fields))
            raw.write(f"{fields['text']} {DELIMITER_WORD} ")
    return [record, text]


def prompt_records(prompts: PromptSet, words: Sequence[str]) -> Iterator[JsonObject]:
    """The records of one prompt set, fields in the published order.

    Args:
        prompts: one set.
        words: the spelling of every token.

    Yields:
        One object for each prompt: text, label, x, slot_pattern, test_value, hmm_type, n_examples, hmm_id.
    """
    spell = np.array(words, dtype=object)
    for index in range(len(prompts.labels)):
        text = spell[prompts.tokens[index]]
        yield {
            "text": " ".join(text),
            "label": spell[prompts.labels[index]],
            "x": text[-(prompts.k - 1) :].tolist(),
            "slot_pattern": prompts.patterns[index].tolist(),
            "test_value": int(prompts.entities[index]),
            "hmm_type": prompts.kind,
            "n_examples": prompts.n,
            "hmm_id": int(prompts.concepts[index]),
        }


def _line(fields: JsonObject) -> str:
    """One record as pandas writes it: no spaces, slashes escaped."""
    return json.dumps(fields, separators=(",", ":")).replace("/", "\\/")


def write_tokenizer(directory: str | os.PathLike[str], words: Sequence[str]) -> Path:
    """``tokenizer.json``: a word-level vocabulary, "[endoftext]" first.

    Args:
        directory: where.
        words: the spelling of every token.

    Returns:
        Path of tokenizer.json.
    """
    special: JsonObject = {"id": 0, "special": True, "content": "[endoftext]"}
    special |= dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    ids = {word: index for index, word in enumerate(["[endoftext]", *words])}
    config: JsonObject = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [special],
        "normalizer": None,
    }
    config |= {"pre_tokenizer": {"type": "Whitespace"}, "post_processor": None, "decoder": None}
    config |= {"model": {"type": "WordLevel", "vocab": ids, "unk_token": "<unk>"}}
    path = Path(directory) / "tokenizer.json"
    with written_aside(path) as file:
        json.dump(config, file)
    return path


def write_npz(path: str | os.PathLike[str], documents: Documents, delimiter: int, vocabulary: int) -> Path:
    """Documents as plain arrays, readable with ``np.load(path, allow_pickle=False)``.

    Arrays: tokens (B, T), states (B, T), concepts (B,), delimiter (), vocabulary ().

    Args:
        path: of the file.
        documents: what.
        delimiter: its token.
        vocabulary: V.

    Returns:
        Path of the file.

    Raises:
        ModelError: a path that cannot be written.
    """
    return _write_arrays(path, documents._asdict(), delimiter, vocabulary)


def write_prompts_npz(path: str | os.PathLike[str], prompts: Prompts, k: int, delimiter: int, vocabulary: int) -> Path:
    """Prompts as plain arrays, and nothing but prompts.

    Arrays: prompt_tokens (P, (k+1) n + k), prompt_concepts (P,), prompt_starts (P,), k (), delimiter (), vocabulary ().

    Args:
        path: of the file.
        prompts: what.
        k: tokens in an example.
        delimiter: its token.
        vocabulary: V.

    Returns:
        Path of the file.

    Raises:
        ModelError: a k below 2, or a path that cannot be written.
    """
    arrays = {f"prompt_{name}": array for name, array in prompts._asdict().items()}
    return _write_arrays(path, arrays | {"k": np.int64(as_count("k", k, least=2))}, delimiter, vocabulary)


def _write_arrays(path: str | os.PathLike[str], arrays: JsonObject, delimiter: int, vocabulary: int) -> Path:
    with written_aside(path, binary=True) as file:
        np.savez_compressed(file, **arrays, delimiter=np.int64(delimiter), vocabulary=np.int64(vocabulary))
    return Path(path)

"""What each subcommand does once its arguments are parsed: check, compute, show, write."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax

from benchmarks import figures as drawing
from benchmarks import screen, speed, storage
from benchmarks import verify as verification
from simulators import published
from simulators.instances import load_instance
from simulators.sampler import sample_documents, sample_prompts
from theory import ModelError


def verify(name: str, settings: dict[str, Any], out: Path | None, json: Path | None) -> None:
    """``implicit-bayes verify``: every input is checked before the work, every file written after it, whole."""
    instance = load_instance(name, seed=None)
    chosen = verification.check_settings(verification.Settings(**settings), instance)
    storage.check_file(json, "json")
    if out is not None:
        storage.check_directory(out)
    with screen.progress_bars() as progress:
        result = verification.verify(instance, chosen, progress)
    console = screen.console()
    screen.show(result, console)
    written = []
    if json is not None:
        storage.write_json(json, verification.as_json(result))
        written.append(json)
    if out is not None:
        storage.write_json(out / "results.json", verification.as_json(result))
        results = verification.as_dataset(result)
        storage.write_results(out / "results.nc", results)
        written += [out / "results.json", out / "results.nc", *drawing.draw_all(results, out)]
    _list(console, written)


def figures(directory: Path, json: Path | None) -> None:
    """``implicit-bayes figures``: redraw from results.nc."""
    results = storage.read_results(directory / "results.nc")
    storage.check_file(json, "json")
    written = drawing.draw_all(results, storage.check_directory(directory))
    if json is not None:
        storage.write_json(json, {"files": [str(path) for path in written]})
    _list(screen.console(), written)


def sample(
    name: str,
    out: Path,
    documents: int | None,
    length: int | None,
    split: str,
    prompts: int | None,
    ks: Sequence[int],
    n: int,
    layout: str,
    seed: int,
    json: Path | None,
) -> None:
    """``implicit-bayes sample``: data sets in either layout."""
    counts = {"documents": (documents, 1), "length": (length, 1), "prompts": (prompts, 0), "n": (n, 0)}
    for field, (value, least) in counts.items():
        if value is not None and value < least:
            raise ModelError(f"{field}: {value} is below {least}")
    if min(ks, default=2) < 2:
        raise ModelError(f"k: {min(ks)} is below 2 (an example is at least one token of x and one of y)")
    storage.check_file(json, "json")
    storage.check_directory(out)
    with screen.progress_bars() as progress:
        advance = progress(f"{layout} layout", 1)
        if layout == "published":
            written = _sample_published(name, out, documents, length, split, prompts, ks)
        else:
            written = _sample_npz(name, out, documents, length, split, prompts or 0, ks, n, seed)
        advance(1)
    if json is not None:
        storage.write_json(json, {"files": [str(path) for path in written]})
    _list(screen.console(), written)


def _sample_published(name, out, documents, length, split, prompts, ks) -> list[Path]:
    if name not in verification.RELEASED:
        known = ", ".join(verification.RELEASED)
        raise ModelError(f"layout: published is the released layout of {known}; use --layout npz for {name}")
    vocabulary = verification.RELEASED[name]
    return published.write_published(out, vocabulary, split, documents, length, ks, prompts)


def _sample_npz(name, out, documents, length, split, prompts, ks, n, seed) -> list[Path]:
    instance = load_instance(name)
    key = jax.random.fold_in(jax.random.key(seed), ("train", "validation").index(split))
    drawn = sample_documents(instance.mixture, key, 100 if documents is None else documents, length or 1024)
    delimiter, vocabulary = instance.mixture.delimiter, instance.mixture.n_tokens
    stem = published.STEMS[split]
    written = [published.write_npz(out / f"{stem}.npz", drawn, delimiter, vocabulary)]
    for k in ks if prompts else ():
        draw = jax.random.fold_in(key, k)
        batch = sample_prompts(instance.mixture, instance.prompt_starts, draw, prompts, k, n, instance.true_concepts)
        path = out / f"prompts_{k}.npz"
        written.append(published.write_npz(path, drawn, delimiter, vocabulary, batch, k))
    return written


def bench(name: str, documents: int, length: int, repeats: int, seed: int, json: Path | None) -> None:
    """``implicit-bayes bench``: timings of the evidence, agreement checked first."""
    for field, value in {"documents": documents, "length": length, "repeats": repeats}.items():
        if value < 1:
            raise ModelError(f"{field}: {value} is below 1")
    instance = load_instance(name)
    storage.check_file(json, "json")
    with screen.progress_bars() as progress:
        rows = speed.evidence(instance.mixture, documents, length, repeats, seed, progress("timing", repeats * 5))
    console = screen.console()
    console.print(screen.timing_table(rows))
    if json is not None:
        storage.write_json(json, rows)
        _list(console, [json])


def _list(console: Any, written: Sequence[Path]) -> None:
    if written:
        console.print("wrote " + "  ".join(str(path) for path in written), soft_wrap=True)

"""Damaged files of every stored kind: a sample for CI, a thousand for the slow set. Deterministic in (kind, seed)."""

import json
import random
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

WEIRD: tuple[Any, ...] = (
    None, True, -1, 0, 10**400, 1e308, -1e308, "", "x" * 70_000, "../../x", "/tmp/x", [], {}, [[]], "nan", "inf", 2**63,
    {"a": 1}, [1, "2", None], "\x00\x1b[2J", "${x}", 0.5, "<script>alert(1)</script>", 1 << 40,
)  # fmt: skip


def damage(path: Path, seed: int) -> None:
    """Damage a file in one of the ways that suit it."""
    dice = random.Random(f"{path.name}-{seed}")
    ways = [_flip, _flip, _truncate, _replace_bytes]
    if path.suffix in (".json", ".jsonl"):
        ways = [_change_json] * 7 + ways + [_deep]
    if path.suffix == ".npz":
        ways += [_change_npz] * 4
    if path.suffix == ".nc":
        ways += [_change_nc] * 6
    dice.choice(ways)(path, dice)


def _flip(path: Path, dice: random.Random) -> None:
    data = bytearray(path.read_bytes())
    for _ in range(dice.choice([1, 1, 4, 50])):
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    path.write_bytes(data)


def _truncate(path: Path, dice: random.Random) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: dice.randrange(len(data))])


def _replace_bytes(path: Path, dice: random.Random) -> None:
    data = bytearray(path.read_bytes())
    at = dice.randrange(len(data))
    data[at : at + dice.choice([1, 8, 200])] = dice.randbytes(dice.choice([0, 8, 64]))
    path.write_bytes(data)


def _deep(path: Path, dice: random.Random) -> None:
    depth = dice.choice([500, 100_000])
    path.write_text("[" * depth + "]" * depth + "\n")


def _change_json(path: Path, dice: random.Random) -> None:
    """One value, anywhere in the tree, replaced, removed, or repeated."""
    lines = path.suffix == ".jsonl"
    text = path.read_text()
    rows = [json.loads(line) for line in text.splitlines()] if lines else json.loads(text)
    place: Any = rows
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = dice.choice(keys)
        if not isinstance(place[key], (dict, list)) or not place[key] or dice.random() < 0.2:
            break
        place = place[key]
    if dice.random() < 0.25:
        del place[key]
    else:
        place[key] = dice.choice(WEIRD)
    dump = lambda value: json.dumps(value, default=str)  # noqa: E731
    path.write_text("".join(dump(row) + "\n" for row in rows) if lines else dump(rows))


def _change_npz(path: Path, dice: random.Random) -> None:
    """One member replaced: a header that promises another size, other numbers, another type, or a changed config."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = dice.choice(list(members))
    way = dice.randrange(5)
    if way == 0:
        members[name] = members[name].replace(b"(", b"(9999999999, ", 1)
    elif way == 1:
        del members[name]
    else:
        array: Any = {2: np.full(3, np.nan), 3: np.array("words"), 4: np.zeros((2, 2, 2), np.float32)}[way]
        if name.startswith("config"):
            array = np.array(json.dumps(dice.choice(WEIRD), default=str))
        with (path.parent / "member").open("wb") as file:
            np.lib.format.write_array(file, array)
        members[name] = (path.parent / "member").read_bytes()
        (path.parent / "member").unlink()
    with zipfile.ZipFile(path, "w") as archive:
        for each, content in members.items():
            archive.writestr(each, content)


def _change_nc(path: Path, dice: random.Random) -> None:
    """One variable or attribute removed, filled with another number, or made a link to another file."""
    import h5py

    with h5py.File(path, "r+") as file:
        name = dice.choice(list(file))
        way = dice.randrange(6)
        if way == 0:
            del file[name]
        elif way == 1 and file.attrs:
            del file.attrs[dice.choice(list(file.attrs))]
        elif way == 2:
            del file[name]
            file[name] = h5py.ExternalLink("/etc/hostname", "/x")
        elif way == 3:
            del file[name]
            file.create_dataset(name, shape=(1 << 40,), dtype="f8", chunks=(1 << 20,))
        elif way == 4 and file[name].dtype.kind in "iuf" and file[name].size:
            file[name][...] = dice.choice([0, -1, 10**9, 1])
        elif file[name].dtype.kind == "f" and file[name].size:
            file[name][...] = dice.choice([np.nan, np.inf, float(np.finfo(file[name].dtype).max)])
        else:
            file.attrs["instance"] = dice.choice([5, "../../x" * 9, [1.0, 2.0]])


def snapshot(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def copy(folder: Path, target: Path) -> Path:
    """A fresh copy of a folder."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(folder, target)
    return target

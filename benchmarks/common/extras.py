"""Optional packages: asked for before the work begins, and named with the command that brings them.

An extra is a group of optional dependencies in pyproject.toml. How one is added depends on how this program was
installed: ``uv tool install`` keeps an environment of its own that pip cannot change, and environments made by uv
have no pip.
"""

import importlib.util
import re
import shlex
import sys
import tomllib
from importlib import metadata
from pathlib import Path

from implicit_bayes.simulators.json_types import JsonObject
from implicit_bayes.theory import ModelError

DISTRIBUTION = "implicit-bayes"
PACKAGES = {
    "flint": ("certify", "python-flint"),
    "torch": ("hf", "torch"),
    "transformers": ("hf", "transformers"),
    "numba": ("compiled", "numba"),
    "funsor": ("enumeration", "funsor"),
    "dask": ("scale", "dask"),
    "distributed": ("scale", "distributed"),
    "dask_jobqueue": ("scale", "dask-jobqueue"),
    "tensorboardX": ("tensorboard", "tensorboardX"),
    "dynamax": ("reference", "dynamax"),
    "hmmlearn": ("reference", "hmmlearn"),
    "pomegranate": ("reference", "pomegranate"),
}
"""Module -> the extra that brings it and its name in a package index."""


def need(module: str, field: str) -> None:
    """Make sure that an optional module is there.

    Args:
        module: a key of PACKAGES.
        field: the flag or argument that asks for it.

    Raises:
        ModelError: it is not installed; one line with the extra and the command that installs it.
    """
    if importlib.util.find_spec(module) is None:
        raise ModelError(f"{field}: {missing(module)}")


def missing(module: str) -> str:
    """In words: what an absent module belongs to and how it is installed here.

    Returns:
        Part of a sentence, with the command.
    """
    extra, package = PACKAGES[module]
    return f"needs {package}, of the extra {extra!r}; install it: {remedy(extra)}"


def absent(error: BaseException) -> str | None:
    """The optional module whose absence made an import fail, or None.

    Returns:
        The module's name as it is imported, or None.
    """
    cause: BaseException | None = error
    while isinstance(cause, ImportError):
        name = (cause.name or "").split(".")[0]
        if name in PACKAGES:
            return name
        cause = cause.__cause__  # a module of ours may have said it in other words
    return None


def remedy(extra: str) -> str:
    """The shell command that adds an extra to the environment that runs this program.

    Returns:
        One line for a shell, quoted: of uv or of pip, as this environment was made.
    """
    wanted = requirements(extra) or [package for group, package in PACKAGES.values() if group == extra]
    receipt = Path(sys.prefix) / "uv-receipt.toml"
    if receipt.is_file():
        extras = [word for each in wanted for word in ("--with", each)]
        return shlex.join(["uv", "tool", "install", *extras, *_installed_from(receipt)])
    if importlib.util.find_spec("pip") is None:
        return shlex.join(["uv", "pip", "install", "--python", sys.executable, *wanted])
    return shlex.join([sys.executable, "-m", "pip", "install", *wanted])


def requirements(extra: str) -> list[str]:
    """What pyproject.toml lists under an extra; empty where this project is not installed.

    Returns:
        Requirements with their bounds, without the marker of the extra.
    """
    try:
        every = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return []
    marked = re.compile(rf"""extra\s*==\s*["']{re.escape(extra)}["']""")
    return [each.split(";")[0].strip() for each in every if ";" in each and marked.search(each.split(";", 1)[1])]


def _installed_from(receipt: Path) -> list[str]:
    """What ``uv tool install`` was given: a folder (editable or not), an address, or the name."""
    try:
        tool: JsonObject = tomllib.loads(receipt.read_text(encoding="utf-8")).get("tool", {})
        own: JsonObject = next((each for each in tool.get("requirements", []) if each.get("name") == DISTRIBUTION), {})
    except (OSError, ValueError, AttributeError):
        own = {}
    if "editable" in own:
        return ["--editable", str(own["editable"])]
    for key in ("directory", "path", "url", "git"):
        if key in own:
            return [f"git+{own[key]}" if key == "git" else str(own[key])]
    return [DISTRIBUTION]

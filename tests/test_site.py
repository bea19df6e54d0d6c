"""What README and the site in docs/ say can be done: their Python runs, their commands parse, their keys exist."""

import re
import shlex
from pathlib import Path

import pytest

import implicit_bayes
from implicit_bayes.benchmarks.cli import commands
from implicit_bayes.benchmarks.gap import store as gap_store
from implicit_bayes.benchmarks.speed.compare import Timing
from implicit_bayes.benchmarks.verification import losses
from implicit_bayes.benchmarks.verification.settings import Settings
from implicit_bayes.simulators.instance_arrays import OPTIONAL, REQUIRED
from implicit_bayes.theory.statements.conclusions import TheoremVerdict
from implicit_bayes.theory.statements.conditions import Condition
from implicit_bayes.theory.statements.finite_sample_table import FiniteSample

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("theory", "simulators", "lm", "benchmarks")
README = ROOT / "README.md"
PAGES = [
    path for path in sorted((ROOT / "docs").rglob("*.md")) if "_build" not in path.relative_to(ROOT / "docs").parts
]
NOTEBOOK = "file_format: mystnb"
"""In the head of a page whose cells ``make docs`` runs; an error there ends the build."""
PLACEHOLDER = re.compile(r"…|SUBCOMMAND|no-such|\bEXPERIMENT\b|\bINSTANCE\b")
"""In a command that is a pattern and not to be typed."""


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), flags=re.S | re.M)


def typed(page: Path) -> list[str]:
    """Every ``implicit-bayes`` command on a page, in shell blocks and in running text."""
    text = page.read_text(encoding="utf-8")
    lines = [line for block in blocks(page, "sh") for line in block.splitlines()]
    spans = [" ".join(span.split()) for span in re.findall(r"(?<!`)`([^`]+)`(?!`)", text)]
    found = [line.split("#")[0].strip() for line in (*lines, *spans)]
    found = [
        re.sub(r"^(taskset -c \d+ )?(python -m implicit_bayes|implicit-bayes) ", "implicit-bayes ", line)
        for line in found
    ]
    return [line for line in found if line.startswith("implicit-bayes ") and not PLACEHOLDER.search(line)]


def test_readme_is_short_and_shows_python():
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 120
    assert blocks(README, "python")


@pytest.mark.parametrize("code", blocks(README, "python"))
def test_the_python_of_readme_runs_as_it_is_pasted(code, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out.strip()


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_python_on_the_site_stands_in_cells_that_the_build_runs(page):
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"^ *```+ *(python|py|ipython3?)\b", text, flags=re.M), "make it a {code-cell}"
    assert not re.search(r"^    (import|from) \w", re.sub(r"```.*?```", "", text, flags=re.S), flags=re.M)
    assert ("{code-cell}" in text) == (NOTEBOOK in text)
    assert not re.search(r":tags:.*(skip-execution|raises-exception)", text)


@pytest.mark.parametrize("page", [README, *PAGES], ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_parses(page):
    for line in typed(page):
        words = shlex.split(line)[1:]
        if {"--help", "--version"} & set(words) or (len(words) == 1 and words[0] in commands.COMMANDS):
            continue  # or a mention
        commands.parse(words)  # exits with status 2 where a flag or a choice does not exist


def test_commands_are_found_and_a_wrong_flag_is_noticed(tmp_path):
    assert sum(len(typed(page)) for page in (README, *PAGES)) > 40
    page = tmp_path / "page.md"
    page.write_text("Try `implicit-bayes verify ginc --promts 3`.\n")
    with pytest.raises(SystemExit):
        commands.parse(shlex.split(typed(page)[0])[1:])


def test_every_command_has_its_section():
    text = (ROOT / "docs" / "reference" / "command_line.md").read_text()
    assert re.findall(r"```\{command-help\} (\w+)", text) == list(commands.COMMANDS)


@pytest.mark.parametrize(
    "row",
    [Condition, TheoremVerdict, FiniteSample, Timing, losses.BayesLoss, losses.ModelLoss, Settings],
    ids=lambda row: row.__name__,
)
def test_every_key_of_a_row_is_in_the_reference(row):
    words = set(re.findall(r"\w+", (ROOT / "docs" / "reference" / "json.md").read_text()))
    assert set(row._fields) - words - {"task"} == set()


def test_every_key_of_a_gap_is_in_the_reference():
    """The keys of the source, since a gap takes a while to measure."""
    text = (ROOT / "docs" / "reference" / "json.md").read_text()
    source = Path(gap_store.__file__).read_text().split("def _probe_rows")[0]
    keys = set(re.findall(r'^ +(?:\| \{)?"(\w+)":', source, flags=re.M))
    assert len(keys) > 30
    suffixes = ("_standard_error", "_low", "_high")
    missing = {key for key in keys if key not in text and not key.endswith(suffixes)}
    assert not missing


def test_every_public_name_is_in_the_reference():
    text = (ROOT / "docs" / "reference" / "api.md").read_text()
    listed = re.findall(r"^\.\. auto\w+:: implicit_bayes\.(\w+)$", text, flags=re.M)
    assert sorted(listed) == sorted(implicit_bayes.__all__)


def test_every_room_is_in_the_reference():
    """All but what only the suite itself uses."""
    pages = (ROOT / "docs" / "reference" / "modules").glob("*.md")
    shown = set(re.findall(r"^```\{room\} (\S+)$", "\n".join(page.read_text() for page in pages), flags=re.M))
    folders = {path.parent.relative_to(ROOT) for room in ROOMS for path in (ROOT / room).rglob("*.py")}
    own = {"benchmarks", "benchmarks/cli", "benchmarks/common", "benchmarks/report"}
    assert shown | own == {folder.as_posix() for folder in folders}


def test_every_array_of_an_instance_file_is_in_the_reference():
    text = (ROOT / "docs" / "reference" / "instance_files.md").read_text()
    assert [name for name in (*REQUIRED, *OPTIONAL) if f"| `{name}` |" not in text] == []


def test_pages_are_in_one_table_of_contents():
    """Each page stands in exactly one, so that a reader finds it, and once."""
    listed = []
    for page in PAGES:
        for block in re.findall(r"```\{toctree\}\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.S):
            names = [line for line in block.splitlines() if line and not line.startswith(":")]
            listed += [(page.parent / f"{name}.md").resolve() for name in names]
    assert sorted(listed) == [page for page in PAGES if page != ROOT / "docs" / "index.md"]


def test_readme_links_to_what_exists():
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", README.read_text(encoding="utf-8")):
        assert (ROOT / target).exists(), target

"""What a check found: a verdict, numbers, and words; and many of them as a table."""

import io
from collections.abc import Sequence
from typing import Literal, NamedTuple

from rich.table import Table
from rich.text import Text

from implicit_bayes.benchmarks.common.console import WIDTH, Console

Verdict = bool | Literal["undetermined"]


class LawBroken(AssertionError):
    """A model or an instance breaks a law; the message names every law that is broken, and how."""


class Found(NamedTuple):
    """One check.

    Attributes:
        name: what it is called, on the command line and in pytest.
        law: what must hold, in one sentence.
        holds: "undetermined" where it could not be asked; ``words`` say why.
        words: what was found, where, and (of a broken law) what it means.
        value, bound: what was measured and what it may be at most; None where nothing was measured.
        level: the probability with which chance alone fails what obeys the law; 0 of a check without chance.
    """

    name: str
    law: str
    holds: Verdict
    words: str
    value: float | None = None
    bound: float | None = None
    level: float = 0.0


class Checked(NamedTuple):
    """Every check of one model or one instance; prints as the table of the command line.

    Attributes:
        subject: the model's name, or the instance's.
        instance: whose documents were asked about.
        settings: what was asked, by name.
        checks: in the order in which they are listed.
    """

    subject: str
    instance: str
    settings: dict[str, float]
    checks: tuple[Found, ...]

    @property
    def broken(self) -> tuple[Found, ...]:
        """The checks that failed."""
        return tuple(each for each in self.checks if each.holds is False)

    @property
    def holds(self) -> bool:
        """No check failed (some may be undetermined)."""
        return not self.broken

    @property
    def level(self) -> float:
        """The probability that chance alone fails any check, at most: the sum over the checks."""
        return sum(each.level for each in self.checks)

    def complaint(self) -> str:
        """Every broken law in words, on one line; empty where none is.

        Returns:
            One line.
        """
        parts = [f"{each.name}: {each.words}" for each in self.broken]
        return f"{self.subject} breaks " + "; ".join(parts) if parts else ""

    def __str__(self) -> str:
        """The table that ``implicit-bayes check`` shows."""
        screen = Console(file=io.StringIO(), width=WIDTH)
        show(self, screen)
        return str(screen.file.getvalue())  # type: ignore[attr-defined]

    def __repr__(self) -> str:
        """The same: a console shows tables and not tuples."""
        return str(self)


MARKS = {True: "holds", False: "BROKEN", "undetermined": "undetermined"}


def show(found: Checked, console: Console) -> None:
    """The table, and one line that says what it comes to.

    Args:
        found: the checks of one subject.
        console: where to print.
    """
    title = f"{found.subject}: {len(found.checks)} checks"
    table = Table("check", "", "measured", "at most", "what was found", title=title, title_justify="left")
    for each in found.checks:
        style = "bold red" if each.holds is False else ""
        mark = Text(MARKS[each.holds], style=style)
        table.add_row(each.name, mark, number(each.value), number(each.bound), each.words)
    console.print(table)
    console.print(verdict(found))


def verdict(found: Checked) -> str:
    """In one sentence: what is broken, what could not be asked, and what chance had to do with it.

    Returns:
        One sentence with its full stop.
    """
    open_ones = [each.name for each in found.checks if each.holds == "undetermined"]
    asked = len(found.checks) - len(open_ones)
    words = f"{found.subject}: {len(found.broken)} of {asked} checks broken"
    if found.broken:
        words += " (" + ", ".join(each.name for each in found.broken) + ")"
    if open_ones:
        words += f"; undetermined: {', '.join(open_ones)}"
    if found.level:
        words += f". Chance fails what obeys every law with probability {found.level:.1g} at most"
    return words + "."


def number(value: float | None) -> str:
    """Three digits; a dash where nothing was measured.

    Returns:
        Text.
    """
    return "–" if value is None else f"{value:.3g}"


def raise_if_broken(found: Sequence[Checked]) -> None:
    """Stop where a law is broken.

    Raises:
        LawBroken: some check of some subject failed; it names them all.
    """
    complaints = [each.complaint() for each in found if each.broken]
    if complaints:
        raise LawBroken(". ".join(complaints))

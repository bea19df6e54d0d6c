"""Characters that a terminal's encoding lacks, in letters that it has: θ is theta.

Nothing is imported here, so that the first line of --help is spelt as well as the last of a table.
"""

LETTERS = {
    "θ": "theta", "Σ": "sum ", "ε": "eps", "Δ": "Delta", "Ω": "Omega", "∞": "inf", "±": "+/-", "–": "-", "−": "-",
    "—": "-", "…": "...", "‖": "||", "≥": ">=", "≤": "<=", "²": "^2", "×": "x", "→": "->", "’": "'", "“": '"', "”": '"',
}  # fmt: skip

SPELT = "implicit-bayes-spelt"
"""Name of ``spelt`` among Python's handlers of what an encoding lacks."""


def spelt(error: UnicodeError) -> tuple[str | bytes, int]:
    """A handler for ``codecs.register_error``: LETTERS, and ? for what has no such name.

    Args:
        error: what could not be encoded.

    Returns:
        What is written instead, and where to go on.

    Raises:
        UnicodeError: nothing was to be encoded.
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(LETTERS.get(c, "?") for c in lacking), error.end

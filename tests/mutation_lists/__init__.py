"""Deliberate errors, one line each, by the part of the project they are in; ``mutations.py`` joins them."""

from typing import NamedTuple


class Mutation(NamedTuple):
    """One error: in ``file``, the text ``before`` (which stands there once) becomes ``after``; ``test`` must fail."""

    name: str
    file: str
    before: str
    after: str
    test: str

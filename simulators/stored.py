"""What is stored is input: read within a bound, checked against one schema, and refused in one line.

A schema is a ``msgspec.Struct``. JSON is read by the standard library (which knows NaN and refuses numbers of thousands
of digits) and converted by msgspec, so that an error names the place: ``config.json: Expected `int >= 1` - at
`$.network.width```.
"""

import json
import unicodedata
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import msgspec

from implicit_bayes.simulators.json_types import JsonObject
from implicit_bayes.theory.objects.checks import ModelError

Schema = Any
"""Whatever msgspec converts to: a class, an annotated type, a union; they have no type in common."""
Converted = Any
"""A value of the schema that was asked for: a type for that would need ``TypeForm``, which Python 3.11 lacks."""

LARGEST = 1 << 28
"""Bytes of a stored text file; ten thousand times what any run writes."""

MOST_DRAWN = 1e100
"""Beyond this no axis can be laid out and no sum taken: matplotlib squares what it is given."""

Text = Annotated[str, msgspec.Meta(max_length=1 << 16)]
Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 62)]
Positive = Annotated[int, msgspec.Meta(ge=1, le=1 << 62)]
Share = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]


def at_most(most: int, least: int = 1) -> Schema:
    """The type of whole numbers from ``least`` to ``most``.

    Args:
        most, least: both are allowed.

    Returns:
        An annotated int, which msgspec checks when it reads.
    """
    return Annotated[int, msgspec.Meta(ge=least, le=most)]


def record(of: type, **types: Schema) -> type[msgspec.Struct]:
    """The schema of a NamedTuple that is stored as an object of its fields.

    Args:
        of: the NamedTuple; fields with a default may be missing from the file.
        types: narrower types for some of its fields.

    Returns:
        A struct with these fields that takes no others.
    """
    hints, defaults = get_type_hints(of), of._field_defaults  # type: ignore[attr-defined]
    fields: list[tuple[str, Schema] | tuple[str, Schema, object]] = []
    for name in of._fields:  # type: ignore[attr-defined]
        kind = types.get(name, hints[name])
        fields.append((name, kind, defaults[name]) if name in defaults else (name, kind))
    return msgspec.defstruct(of.__name__, fields, forbid_unknown_fields=True, frozen=True)


def read_text(path: Path, remedy: str, most: int = LARGEST) -> str:
    """A text file of at most ``most`` bytes.

    Args:
        path: of the file.
        remedy: how an error ends.
        most: bytes that are read.

    Returns:
        The text.

    Raises:
        ModelError: missing, too large, or no UTF-8.
    """
    try:
        with path.open("rb") as file:
            content = file.read(most + 1)
        if len(content) > most:
            raise ModelError(f"{path}: more than {most:,} bytes; {remedy}")
        return content.decode("utf-8")
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: cannot be read ({short(error)}); {remedy}") from error


def parse(text: str, kind: Schema, source: str, remedy: str) -> Converted:
    """JSON text as a value of a schema.

    Args:
        text: JSON.
        kind: anything that msgspec can convert to.
        source: what an error names.
        remedy: how an error ends.

    Returns:
        A value of the schema, built anew.

    Raises:
        ModelError: no JSON, nested too deep, or not of the schema.
    """
    try:
        return convert(json.loads(text), kind, source, remedy)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{source}: cannot be read ({short(error)}); {remedy}") from error


def convert(value: object, kind: Schema, source: str, remedy: str) -> Converted:
    """A parsed value as one of a schema; see ``parse``.

    Args:
        value: parsed.
        kind: anything that msgspec can convert to.
        source: what an error names.
        remedy: how an error ends.

    Returns:
        A value of the schema, built anew.

    Raises:
        ModelError: not of the schema.
    """
    try:
        return msgspec.convert(value, kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise ModelError(f"{source}: {short(error)}; {remedy}") from error


def read_json(path: Path, kind: Schema, remedy: str) -> Converted:
    """A JSON file as a value of a schema; see ``read_text`` and ``parse``.

    Args:
        path: of the file.
        kind: anything that msgspec can convert to.
        remedy: how an error ends.

    Returns:
        A value of the schema.

    Raises:
        ModelError: see ``read_text`` and ``parse``.
    """
    return parse(read_text(path, remedy), kind, str(path), remedy)


def fields_of(value: msgspec.Struct) -> JsonObject:
    """The fields of a record, for the constructor of its NamedTuple.

    Returns:
        Values by field, not copied deeply.
    """
    return msgspec.structs.asdict(value)


def printable(words: str) -> str:
    """Words with everything that is not to be seen, line ends apart, as an escape: ``\\x1b`` moves no cursor.

    Returns:
        Text that a terminal shows and does not obey.
    """
    if words.isprintable():
        return words
    return "".join(c if c.isprintable() or c == "\n" or unicodedata.category(c) == "Zs" else _escape(c) for c in words)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def short(error: BaseException) -> str:
    """An exception as a few words on one line.

    Returns:
        At most 160 characters; the name of its type where it says nothing.
    """
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split())[:160] or type(error).__name__

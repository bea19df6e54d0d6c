"""Docstrings explain: every argument and field, what is returned, yielded and raised, each under its heading.

Every rule is a function from a source to what breaks it, and has a case that it must catch.
"""

import ast
import re
from collections.abc import Iterator

import pytest
from house import SOURCES, arguments, fields, public_functions

HELP = {"Work"}
"""What a subcommand gives back, whose docstring is its ``--help``; so is that of a module's ``main``."""
REFUSALS = {"ModelError", "ValueError"}
"""What a function raises where its arguments make no sense."""


def listed(told: str, heading: str) -> set[str]:
    """The names that a docstring explains under a heading, one or several before a colon."""
    section = re.split(r"\n\s*(?:Args|Returns|Raises|Yields|Attributes):", told.partition(f"{heading}:\n")[2])[0]
    lines = re.findall(r"^ +([\w*, ]+):", section, re.M)
    return {part for line in lines for part in re.findall(r"\w+", line)}


def unexplained(tree: ast.Module) -> list[str]:
    """Public functions of two arguments or more of which the docstring leaves one without a word of its own."""
    found = []
    for name, function in public_functions(tree):
        explained = listed(ast.get_docstring(function) or "", "Args")
        if len(arguments(function)) > 1 and (missing := set(arguments(function)) - explained):
            found.append(f"{name}: {', '.join(sorted(missing))}")
    return found


def unexplained_fields(tree: ast.Module) -> list[str]:
    """Public records with a field that neither a line of Args or Attributes nor a text below it explains."""
    found = []
    for node in tree.body:
        if not isinstance(node, ast.ClassDef) or node.name.startswith("_"):
            continue
        told = ast.get_docstring(node) or ""
        below = {
            field.target.id
            for field, text in zip(node.body, node.body[1:], strict=False)
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
            if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
        }
        if missing := set(fields(node)) - listed(told, "Args") - listed(told, "Attributes") - below:
            found.append(f"{node.name}: {', '.join(sorted(missing))}")
    return found


@pytest.mark.parametrize("path", sorted(SOURCES))
def test_every_argument_is_explained(path):
    assert unexplained(SOURCES[path]) == []
    assert unexplained_fields(SOURCES[path]) == []


def test_an_argument_without_a_word_is_noticed():
    told = "What.\n\n    Args:\n        a: a number.\n\n    Returns:\n        b: no argument."
    source = f'def f(a, b):\n    """{told}\n    """'
    assert unexplained(ast.parse(source)) == ["f: b"]


def test_a_field_without_a_word_is_noticed():
    told = "What.\n\n    Attributes:\n        a: told.\n    "
    source = f'class R(NamedTuple):\n    """{told}"""\n    a: int\n    b: int\n    """Told."""\n    c: int'
    assert unexplained_fields(ast.parse(source)) == ["R: c"]


def own(function: ast.FunctionDef) -> Iterator[ast.AST]:
    """The nodes of a function's body, without those of functions and classes inside it."""
    todo: list[ast.AST] = list(function.body)
    while todo:
        node = todo.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.Lambda | ast.ClassDef):
            todo += ast.iter_child_nodes(node)


def says_it_all(function: ast.FunctionDef) -> bool:
    """A property is what its docstring names, a yes or no what follows "Whether"; help texts have a form of theirs."""
    kind = ast.unparse(function.returns) if function.returns else ""
    if any(ast.unparse(each).endswith(("property", "overload")) for each in function.decorator_list):
        return True
    asks = kind == "bool" and (ast.get_docstring(function) or "").startswith("Whether ")
    return asks or kind in HELP or function.name == "main"


def unsaid(tree: ast.Module) -> list[str]:
    """Public functions that return, yield or refuse something and have no section about it."""
    found = []
    for name, function in public_functions(tree):
        if says_it_all(function):
            continue
        told, nodes = ast.get_docstring(function) or "", list(own(function))
        made = {type(node) for node in nodes if isinstance(node, ast.Return | ast.Yield) and is_value(node.value)}
        made |= {type(node) for node in nodes if isinstance(node, ast.YieldFrom)}
        sections = re.findall(r"^(Returns|Yields|Raises):\n +\S", told, re.M)
        if made and not {"Returns", "Yields"} & set(sections):
            found.append(f"{name}: Returns")
        thrown = {ast.unparse(node.exc).split("(")[0] for node in nodes if isinstance(node, ast.Raise) and node.exc}
        if thrown & REFUSALS and "Raises" not in sections:
            found.append(f"{name}: Raises")
    return found


def is_value(node: ast.expr | None) -> bool:
    """Whether something is given back that is not None."""
    return node is not None and not (isinstance(node, ast.Constant) and node.value is None)


@pytest.mark.parametrize("path", sorted(SOURCES))
def test_every_answer_and_every_refusal_is_explained(path):
    assert unsaid(SOURCES[path]) == []


@pytest.mark.parametrize(
    ("source", "missing"),
    [
        ('def f():\n    """The one."""\n    return 1', ["f: Returns"]),
        ('def f():\n    """One.\n\n    Returns:\n        1.\n    """\n    return 1', []),
        ('def f():\n    """One.\n\n    Returns:\n    """\n    return 1', ["f: Returns"]),
        ('class C:\n    def f(self):\n        """The one."""\n        return 1', ["C.f: Returns"]),
        ('class C:\n    @property\n    def f(self):\n        """The one."""\n        return 1', []),
        ('def f() -> bool:\n    """Whether it is one."""\n    return True', []),
        ('def f() -> bool:\n    """It is one."""\n    return True', ["f: Returns"]),
        ('def f():\n    """Nothing."""\n    if g:\n        return None\n    return', []),
        ('def f():\n    """Each."""\n    yield 1', ["f: Returns"]),
        ('def f():\n    """A block."""\n    yield', []),
        ('def f():\n    """Stop."""\n    raise ModelError("no")', ["f: Raises"]),
        ('def f():\n    """Nothing."""\n    def g():\n        return 1', []),
        ("def f():\n    return 1", ["f: Returns"]),
    ],
)
def test_an_answer_or_a_refusal_without_a_word_is_noticed(source, missing):
    assert unsaid(ast.parse(source)) == missing


def empty_sections(tree: ast.Module) -> list[str]:
    """Docstrings with a heading and nothing under it, or with two headings for one list."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            told = ast.get_docstring(node) or ""
            heading = r"(Args|Returns|Raises|Attributes|Source):"
            if re.search(rf"^ *{heading}\s*\n\s*{heading}", told, re.M):
                found.append(node.name)
    return found


def test_no_heading_stands_over_nothing():
    assert {path: names for path, tree in SOURCES.items() if (names := empty_sections(tree))} == {}

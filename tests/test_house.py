"""The rules of the house: sizes, names, results by keyword, one order of arguments; of docstrings ``test_docstrings``.

Every rule is a function from sources to what breaks it, and each has a case that it must catch.
"""

import ast
import re
from collections import Counter

import pytest
from house import FOLDERS, ROOT, SOURCES, arguments, fields, public_functions, trees

LINES, FUNCTION_LINES = 320, 70
WIDE = 6
"""A result of more fields than these is built by keyword."""
ALIKE = {"Settings"}
"""A class name that several rooms of one folder may have: each is read beside its room's name."""
SECOND_OPINIONS = {"hear", "onward", "moment"}
"""Of theory/proofs, where the same quantities are computed apart, in exact arithmetic."""
BACKENDS = {"rescale", "trace"}
"""The same step in machine code and in NumPy, each called by its module's name."""
ORDER = (
    {"mixture", "instance", "family"},
    {"start", "starts", "start_laws", "start_laws_SxH", "starts_CxSxH", "prompt_start", "prompt_starts", "prompt"},
    {"true_concept", "true_concepts", "theta"},
    {"concept", "alternative"},
    {"k", "ks", "tested_ks"},
    {"n", "ns", "shots"},
)
"""Positional arguments, wherever several of these stand in one signature."""


@pytest.mark.parametrize("path", [*sorted(SOURCES), *sorted(trees("tests"))])
def test_files_and_functions_are_short(path):
    text = (ROOT / path).read_text()
    assert text.count("\n") <= LINES
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)]
    long = {f.name: f.end_lineno - f.lineno + 1 for f in functions if f.end_lineno - f.lineno >= FUNCTION_LINES}
    assert long == {}


def by_position(sources: dict[str, ast.Module]) -> list[str]:
    """Wide records that are built by position: two numbers that change places would pass every check of types."""
    wide = {
        (path, node.name)
        for path, tree in sources.items()
        for node in tree.body
        if isinstance(node, ast.ClassDef) and len(fields(node)) > WIDE
    }
    found = []
    for path, tree in sources.items():
        known = {name for where, name in wide if where == path}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                source = node.module.removeprefix("implicit_bayes.").replace(".", "/") + ".py"
                known |= {each.asname or each.name for each in node.names if (source, each.name) in wide}
        found += [
            f"{path}:{node.lineno} {node.func.id}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in known and node.args
        ]
    return found


def test_wide_results_are_built_by_keyword():
    assert by_position(SOURCES) == []


def test_a_wide_result_built_by_position_is_noticed():
    body = "".join(f"    f{i}: float\n" for i in range(WIDE + 1))
    source = f"class Wide(NamedTuple):\n{body}\nfound = Wide(f0=1)\nother = Wide(1, f1=2)\n"
    assert by_position({"a.py": ast.parse(source)}) == [f"a.py:{source.count(chr(10))} Wide"]


def test_a_name_means_one_thing():
    """Classes of one folder, and public functions of theory, are told apart by their names."""
    for folder in FOLDERS:
        tops = [node for path, tree in SOURCES.items() if path.startswith(f"{folder}/") for node in tree.body]
        classes = Counter(node.name for node in tops if isinstance(node, ast.ClassDef))
        assert {name for name, times in classes.items() if times > 1} <= ALIKE
        functions = Counter(node.name for node in tops if isinstance(node, ast.FunctionDef) and node.name[0] != "_")
        if folder == "theory":
            assert {name for name, times in functions.items() if times > 1} <= SECOND_OPINIONS | BACKENDS


def private_imports(tree: ast.Module) -> set[str]:
    """Names of another module that begin with an underscore."""
    found: set[str] = set()
    modules: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("implicit_bayes"):
            names = {each.asname or each.name for each in node.names}
            found |= {name for each in node.names if (name := each.name).startswith("_") and not name.startswith("__")}
            modules |= {name for name in names if name.islower()}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            private = node.attr.startswith("_") and not node.attr.startswith("__")
            found |= {f"{node.value.id}.{node.attr}"} if private and not is_record_method(node.attr) else set()
    return found


def is_record_method(name: str) -> bool:
    """The methods of a NamedTuple, which begin with an underscore so that fields cannot hide them."""
    return name in ("_asdict", "_replace", "_fields", "_make", "_field_defaults")


def test_private_names_stay_in_their_modules():
    assert {path: found for path, tree in SOURCES.items() if (found := private_imports(tree))} == {}


def test_a_private_name_from_elsewhere_is_noticed():
    source = "from implicit_bayes.theory.objects import checks\nfrom implicit_bayes.lm.model import _a\nchecks._b(1)"
    assert private_imports(ast.parse(source)) == {"_a", "checks._b"}


def out_of_order(function: ast.FunctionDef) -> list[str]:
    """The arguments of ORDER that a function takes by position, if they are not in its order."""
    place = {name: i for i, names in enumerate(ORDER) for name in names}
    given = {each.arg: each.annotation for each in (*function.args.posonlyargs, *function.args.args)}
    called = {name for name, kind in given.items() if kind and re.search("Start|Callable", ast.unparse(kind))}
    taken = [name for name in arguments(function, keyword_only=False) if name in place and name not in called]
    return taken if sorted(taken, key=place.__getitem__) != taken else []


def test_arguments_come_in_one_order():
    """A mixture, start laws, the true concept, another concept, k, n: everywhere, so that nobody looks it up."""
    wrong = {
        f"{path} {name}": taken
        for path, tree in SOURCES.items()
        for name, function in public_functions(tree)
        if (taken := out_of_order(function))
    }
    assert wrong == {}


def test_another_order_is_noticed():
    (function,) = ast.parse("def f(mixture, true_concept, start, k): ...").body
    assert isinstance(function, ast.FunctionDef)
    assert out_of_order(function) == ["mixture", "true_concept", "start", "k"]


def unreasoned(text: str) -> list[int]:
    """The lines of an ``Any`` that no comment (beside it, above it) and no text below an alias gives a reason for."""
    lines, tree = text.splitlines(), ast.parse(text)
    told = {
        line
        for block in ast.walk(tree)
        if isinstance(block, ast.Module)
        for alias, below in zip(block.body, block.body[1:], strict=False)
        if isinstance(alias, ast.Assign) and isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)
        for line in range(alias.lineno, alias.end_lineno + 1)
    }
    found = {node.lineno for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == "Any"}
    above = {line for line in found if line > 1 and lines[line - 2].lstrip().startswith("# Any: ")}
    beside = {line for line in found if re.search(r"  # (?!type:|noqa)", lines[line - 1])}
    return sorted(found - told - above - beside)


@pytest.mark.parametrize("path", sorted(SOURCES))
def test_every_any_has_its_reason(path):
    assert unreasoned((ROOT / path).read_text()) == []


def test_an_any_without_a_reason_is_noticed():
    reasoned = '# Any: why.\ny: Any = 1\nA = dict[str, Any]\n"""Why."""\nz: Any = 1  # why\n'
    assert unreasoned(f"{reasoned}x: Any = 1\ndef f(a: Any): ...  # noqa: E704\nB = Any\n") == [6, 7, 8]

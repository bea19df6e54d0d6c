"""The sources as syntax trees, for the tests that read them: their public functions, arguments and records."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("theory", "simulators", "lm", "benchmarks")


def trees(*folders: str) -> dict[str, ast.Module]:
    """The sources below some folders, by their paths."""
    paths = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    return {str(path.relative_to(ROOT)): ast.parse(path.read_text()) for path in paths}


SOURCES = trees(*FOLDERS)


def public_functions(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef]]:
    """Functions and methods that a reader of the module may call, by their dotted names."""
    todo: list[tuple[str, ast.Module | ast.ClassDef]] = [("", tree)]
    while todo:
        prefix, node = todo.pop()
        for each in node.body:
            if isinstance(each, ast.FunctionDef | ast.ClassDef) and not each.name.startswith("_"):
                if isinstance(each, ast.FunctionDef):
                    yield f"{prefix}{each.name}", each
                else:
                    todo.append((f"{prefix}{each.name}.", each))


def arguments(function: ast.FunctionDef, keyword_only: bool = True) -> list[str]:
    """Names of a function's arguments, without self and cls."""
    given = function.args
    found = [*given.posonlyargs, *given.args, *(given.kwonlyargs if keyword_only else ())]
    return [each.arg for each in found if each.arg not in ("self", "cls")]


def fields(node: ast.ClassDef) -> list[str]:
    """What a record's constructor takes, in order; nothing for a class that is no record."""
    bases = {ast.unparse(base).split("[")[0].split(".")[-1] for base in node.bases}
    made = any("dataclass" in ast.unparse(each) for each in node.decorator_list)
    if not made and not bases & {"NamedTuple", "Module", "Struct"}:
        return []
    for each in node.body:
        if isinstance(each, ast.FunctionDef) and each.name == "__init__":
            return arguments(each)
    return [
        each.target.id for each in node.body if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)
    ]

"""What a mutant changes: cosmic-ray's operators, less those that no test could miss, and swaps of names.

cosmic-ray turns every + into eleven other operators, ten of which raise a TypeError on arrays: they say nothing of the
tests and flatter the score. One or two neighbours are kept for each operator, those that a slip of the pen would make.
"""

import ast
import difflib
from collections.abc import Sequence
from typing import NamedTuple

import parso
from cosmic_ray.mutating import MutationVisitor
from cosmic_ray.operators.operator import Example, Operator
from cosmic_ray.plugins import get_operator

BINARY = {"Add": ("Sub",), "Sub": ("Add",), "Mul": ("Div", "Add"), "Div": ("Mul",), "FloorDiv": ("Mul",),
          "Mod": ("FloorDiv",), "Pow": ("Mul",), "BitAnd": ("BitOr",), "BitOr": ("BitAnd",)}  # fmt: skip
COMPARISON = {"Lt": ("LtE", "Gt"), "LtE": ("Lt", "GtE"), "Gt": ("GtE", "Lt"), "GtE": ("Gt", "LtE"),
              "Eq": ("NotEq",), "NotEq": ("Eq",), "Is": ("IsNot",), "IsNot": ("Is",)}  # fmt: skip
PLAIN = ("AddNot", "NumberReplacer", "ReplaceAndWithOr", "ReplaceOrWithAnd", "ReplaceTrueWithFalse",
         "ReplaceFalseWithTrue", "ReplaceBreakWithContinue", "ReplaceContinueWithBreak",
         "ReplaceUnaryOperator_Delete_Not", "ReplaceUnaryOperator_Delete_Invert",
         "ReplaceUnaryOperator_USub_UAdd")  # fmt: skip
SWAPS = (("min", "max"), ("minimum", "maximum"), ("argmin", "argmax"), ("any", "all"), ("zeros", "ones"),
         ("low", "high"), ("floor", "ceil"), ("sum", "mean"))  # fmt: skip


class SwapName(Operator):
    """A name or attribute for its opposite, where it is used (and not where it is bound)."""

    def __init__(self, before: str, after: str):
        self.before, self.after = before, after

    def mutation_positions(self, node):
        """Every use of the name."""
        if isinstance(node, parso.python.tree.Name) and node.value == self.before and not node.is_definition():
            following = node.get_next_leaf()
            if not (node.parent.type == "argument" and following is not None and following.value == "="):
                yield node.start_pos, node.end_pos

    def mutate(self, node, index):
        """The other name."""
        return parso.python.tree.Name(node.prefix + self.after, node.start_pos)

    @classmethod
    def examples(cls):
        """For cosmic-ray's own tests."""
        return (Example("x = min(y)", "x = max(y)", operator_args={"before": "min", "after": "max"}),)


class Mutant(NamedTuple):
    """One change of one module.

    file: from the repository's root.   function: qualified name of what it stands in, "" at module level.
    line: number, from 1.   operator: its name.   before, after: the changed lines, stripped.   source: all of it.
    """

    file: str
    function: str
    line: int
    operator: str
    before: str
    after: str
    source: str

    @property
    def key(self) -> str:
        """The same for the same change wherever the lines have moved to."""
        return f"{self.file}: {self.before} -> {self.after}"


def operators() -> dict[str, Operator]:
    """By name."""
    names = [f"ReplaceBinaryOperator_{a}_{b}" for a, others in BINARY.items() for b in others]
    names += [f"ReplaceComparisonOperator_{a}_{b}" for a, others in COMPARISON.items() for b in others]
    found = {name: get_operator(f"core/{name}")() for name in (*names, *PLAIN)}
    for one, other in SWAPS:
        found |= {f"{a} for {b}": SwapName(b, a) for a, b in ((one, other), (other, one))}
    return found


def places(source: str) -> list[tuple[str, int]]:
    """(operator, occurrence) of every change that the operators can make."""
    nodes, waiting = [], [parso.parse(source)]
    while waiting:
        nodes.append(node := waiting.pop())
        waiting += getattr(node, "children", ())
    return [
        (name, occurrence)
        for name, operator in operators().items()
        for occurrence in range(sum(1 for node in nodes for _ in operator.mutation_positions(node)))
    ]


def mutants_at(file: str, source: str, chosen: Sequence[tuple[str, int]]) -> list[Mutant]:
    """The mutants of some places, in their order, without those that ``_bare`` does not tell from the program."""
    spans, plain, known = _spans(ast.parse(source)), _bare(source), operators()
    found: dict[str, Mutant] = {}
    for name, occurrence in chosen:
        mutated = MutationVisitor.mutate_code(source, known[name], occurrence)
        if mutated is None or mutated == source or _bare(mutated) in (plain, None):
            continue
        line, before, after = _changed(source, mutated)
        function = max((span for span in spans if span[0] <= line <= span[1]), default=(0, 0, ""))[2]
        mutant = Mutant(
            file=file, function=function, line=line, operator=name, before=before, after=after, source=mutated
        )
        found.setdefault(mutated, mutant)
    return list(found.values())


def _spans(tree: ast.Module, above: str = "") -> list[tuple[int, int, str]]:
    """First and last line of every function, and its qualified name as code objects have it."""
    found = []
    for node in tree.body if hasattr(tree, "body") else []:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            name = f"{above}{node.name}"
            if isinstance(node, ast.FunctionDef):
                first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
                found.append((first, node.end_lineno or first, name))
            inside = f"{name}." if isinstance(node, ast.ClassDef) else f"{name}.<locals>."
            found += _spans(node, inside)
    return found


def _changed(source: str, mutated: str) -> tuple[int, str, str]:
    """Number of the first changed line, and the changed lines on either side."""
    old, new = source.splitlines(), mutated.splitlines()
    for tag, a, b, c, d in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag != "equal":
            return a + 1, " ".join(" ".join(old[a:b]).split()), " ".join(" ".join(new[c:d]).split())
    raise AssertionError("nothing changed")


def _bare(source: str) -> str | None:
    """The program without annotations, docstrings and what asserts only: ``strict=`` of zip, and the ``*`` behind which
    arguments have names (for which the operators take ``/``); None where it is no program."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return None
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            node.returns = None
        if isinstance(node, ast.arg):
            node.annotation = None
        if isinstance(node, ast.arguments):
            node.args, node.posonlyargs = [*node.posonlyargs, *node.args, *node.kwonlyargs], []
            node.defaults = [*node.defaults, *(each or ast.Constant(None) for each in node.kw_defaults)]
            node.kwonlyargs, node.kw_defaults = [], []
        if isinstance(node, ast.Call):
            node.keywords = [each for each in node.keywords if each.arg != "strict"]
        if isinstance(node, ast.AnnAssign):
            node.annotation = ast.Constant(0)
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [x for x in body if not (isinstance(x, ast.Expr) and isinstance(x.value, ast.Constant))]
    return ast.dump(tree)

"""A mutant without a second import: the changed function's code is put into a process that has imported everything.

Importing the project under the run-time type checker takes longer than most tests. One process collects the tests of
a module, and a fork of it for each mutant gives the function that the mutant changes its new code. Where more changes
than the code of functions (a constant, a default, a decorator), there is no such way and the module is imported again.
"""

import gc
import types

from mutants.entered import named


def changed_code(file: str, before: str, after: str) -> dict[str, types.CodeType] | None:
    """New code by qualified name of the functions of a module that a mutant changes; None where more than that changes.

    A function within a function changes the one around it. ``before`` and ``after`` are the sources, with equal lines.
    """
    found: dict[str, types.CodeType] = {}
    same = _walk(compile(before, file, "exec"), compile(after, file, "exec"), found)
    return found if same and found else None


def _walk(old: types.CodeType, new: types.CodeType, found: dict[str, types.CodeType]) -> bool:
    """Whether module or class bodies are the same but for the code of functions, which are put into ``found``."""
    if len(old.co_consts) != len(new.co_consts):
        return False
    for a, b in zip(old.co_consts, new.co_consts, strict=True):
        if not (isinstance(a, types.CodeType) and isinstance(b, types.CodeType)):
            if repr(a) != repr(b) or type(a) is not type(b):
                return False
        elif a == b:
            continue
        elif "<" in a.co_name or not a.co_flags & 2:  # a lambda, a comprehension; a class body is not "newlocals"
            if "<" in a.co_name or not _walk(a, b, found):
                return False
        elif a.co_freevars != b.co_freevars:
            return False
        else:
            found[b.co_qualname] = b
    return (old.co_code, old.co_names) == (new.co_code, new.co_names)


def put(file: str, codes: dict[str, types.CodeType]) -> bool:
    """Give every function of that file and those names its new code; whether each of them was there."""
    left = set(codes)
    for each in gc.get_objects():
        if type(each) is not types.FunctionType or (name := each.__code__.co_qualname) not in codes:
            continue
        if named(each.__code__.co_filename) == file:
            each.__code__ = codes[name].replace(co_filename=each.__code__.co_filename)
            left.discard(name)
    return not left

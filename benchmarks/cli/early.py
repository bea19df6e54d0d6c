"""What is found out about an instance before anything slow is imported."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from implicit_bayes.simulators.ginc_family import GincFamily
    from implicit_bayes.simulators.instance import Instance


def accepted(spec: str, too_large: Callable[[GincFamily], None] | None = None) -> Instance:
    """The instance that was asked for.

    Args:
        spec: a name, or the path of an .npz file, which is looked at before JAX is imported.
        too_large: says of a family with more concepts than an instance holds what it would take, by raising.

    Returns:
        Instance.

    Raises:
        ModelError: see ``load_instance``.
    """
    if spec.endswith(".npz"):
        from implicit_bayes.simulators.instance_arrays import check_file

        check_file(spec)
    from implicit_bayes.simulators.instances import load_instance

    if too_large is not None:
        from implicit_bayes.simulators.ginc_family import HELD

        if (family := family_of(spec)) is not None and family.concepts > HELD:
            too_large(family)
    return load_instance(spec)


def family_of(spec: str) -> GincFamily | None:
    """The family that a specification names, None where it names anything else.

    Returns:
        GincFamily, of which nothing is drawn, or None.

    Raises:
        ModelError: see ``parse_family``.
    """
    from implicit_bayes.simulators.ginc_family import in_family, parse_family

    return parse_family(spec) if in_family(spec) else None

"""What is found out about an instance before anything slow is imported."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from implicit_bayes.simulators.instance import Instance


def accepted(spec: str) -> Instance:
    """The instance that was asked for.

    Args:
        spec: a name, or the path of an .npz file, which is looked at before JAX is imported.

    Raises:
        ModelError: see ``load_instance``.
    """
    if spec.endswith(".npz"):
        from implicit_bayes.simulators.instance_arrays import check_file

        check_file(spec)
    from implicit_bayes.simulators.instances import load_instance

    return load_instance(spec)

"""Table, critical k, figure and stored rows of the conditions say the same on random instances."""

import math

from random_instances import random_instance

from implicit_bayes.benchmarks.verification.evaluate import Statements, binding, conditions_dataset
from implicit_bayes.benchmarks.verification.figures import binding_room
from implicit_bayes.benchmarks.verification.tables import FACTS
from implicit_bayes.theory.statements.conditions import VERSIONS, condition_table, critical_k_of

KS = (2, 3)


def test_the_binding_pair_is_the_same_everywhere():
    """60 instances: what the table prints, what the figure draws and what critical k counts, version by version."""
    for seed in range(300, 360):
        case = random_instance(seed)
        rows = condition_table(case.mixture, case.starts, case.true_concept, KS)
        if not rows:
            continue
        critical = critical_k_of(rows, KS)
        statements = Statements(rows, KS, critical, [], KS[-1], [], [])
        stored = conditions_dataset(statements)
        for version in VERSIONS:
            holding = []
            for k in KS:
                (row,) = binding(rows, [k], version)
                verdicts = [each.holds(version) for each in rows if each.k == k]
                assert (row.holds(version) is True) == all(verdict is True for verdict in verdicts)
                assert (row.holds(version) is False) == any(verdict is False for verdict in verdicts)
                assert FACTS[version](row)[-1].startswith(
                    {True: "holds", False: "FAILS"}.get(row.holds(version), "und")
                )
                room, low, high = binding_room(stored, version, k)
                assert (room, (low, high)) == (row.room(version), row.room_interval(version))
                if row.holds(version) is True:
                    assert low > 0
                    holding.append(k)
                elif row.holds(version) is False and "prior 0" not in row.method and math.isfinite(room):
                    assert high <= 1e-9
            assert getattr(critical, version) == (min(holding) if holding else None)

"""Deliberate errors, one line each, and the test that catches each: is the suite able to fail?

Run them with ``pytest -m slow tests/test_mutations.py`` (each test runs in a copy of the repository with one line
changed, and must fail there). The table in tests/README.md is this list.
"""

from typing import NamedTuple


class Mutation(NamedTuple):
    """One error: in ``file``, the text ``before`` (which stands there once) becomes ``after``; ``test`` must fail."""

    name: str
    file: str
    before: str
    after: str
    test: str


MUTATIONS = (
    Mutation(
        "drop the prior",
        "theory/filter.py",
        "joint = safe_log(prior) + log_evidence",
        "joint = 0.0 * prior + log_evidence",
        "tests/theory/test_filter.py::test_a_case_worked_by_hand",
    ),
    Mutation(
        "use the document start law for p_prompt",
        "theory/prompts.py",
        "return HMM(self.start, self.hmm.transition, self.hmm.emission)",
        "return HMM(self.hmm.initial, self.hmm.transition, self.hmm.emission)",
        "tests/theory/test_information.py::test_printed_counterexample",
    ),
    Mutation(
        "swap the arguments of the KL",
        "theory/information.py",
        "return kl_table(prompt, [alternative], [prompt.length], seed=seed, budget=budget)[0][0]",
        "swapped = PromptLaw(alternative, alternative.initial, prompt.length, prompt.delimiter)\n"
        "    return kl_table(swapped, [prompt.example_law()], [prompt.length], seed=seed, budget=budget)[0][0]",
        "tests/theory/test_information.py::test_printed_counterexample",
    ),
    Mutation(
        "forward kernel for the reversed one",
        "theory/repaired.py",
        "after, start = np.asarray(transition)[states].sum(0), np.asarray(initial)",
        "after, start = np.asarray(transition)[:, states].sum(1), np.asarray(initial)",
        "tests/theory/test_conditions.py::test_thresholds_by_hand",
    ),
    Mutation(
        "c1 for c2",
        "theory/thresholds.py",
        "2 * (log0(c2) - log0(c1))",
        "2 * (log0(c1) - log0(c1))",
        "tests/theory/test_conditions.py::test_printed_counterexample",
    ),
    Mutation(
        "k for k - 1 in the test example",
        "theory/prompts.py",
        "return (k + 1) * n + k - 1",
        "return (k + 1) * n + k",
        "tests/theory/test_prompts.py::test_the_test_position_counts_examples_and_delimiters",
    ),
    Mutation(
        "omit the delimiter from the rate",
        "theory/rates.py",
        "(score[:-1, :, 2:] - score[:-1, :, 1:2]).sum(0) + closing[:, 2:] - closing[:, 1:2]",
        "(score[:, :, 2:] - score[:, :, 1:2]).sum(0)",
        "tests/theory/test_rates.py::test_printed_counterexample_goes_the_wrong_way",
    ),
    Mutation(
        "log2 for log",
        "theory/prefixes.py",
        "np.log(law, out=law)",
        "np.log2(law, out=law)",
        "tests/theory/test_information.py::test_printed_counterexample",
    ),
)

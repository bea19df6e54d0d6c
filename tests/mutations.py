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
        "theory/filtering/filter.py",
        "joint = safe_log(prior) + log_evidence",
        "joint = 0.0 * prior + log_evidence",
        "tests/theory/filtering/test_filter.py::test_a_case_worked_by_hand",
    ),
    Mutation(
        "mix predictives in the scan without the prior",
        "theory/filtering/scaled.py",
        "prior_C[:, None] * jnp.ldexp(jnp.ones_like(mass_CxB), shift_CxB)",
        "jnp.ldexp(jnp.ones_like(mass_CxB), shift_CxB)",
        "tests/theory/filtering/test_filter.py::test_a_case_worked_by_hand",
    ),
    Mutation(
        "round an alias limit to the nearest",
        "simulators/alias.py",
        "np.where(limit_NxK - column_K < accept_NxK, np.nextafter(limit_NxK, np.inf), limit_NxK)",
        "limit_NxK",
        "tests/simulators/test_compiled_walks.py::test_a_limit_says_exactly_what_the_fraction_says",
    ),
    Mutation(
        "use the document start law for p_prompt",
        "theory/objects/prompts.py",
        "return HMM(self.start, self.hmm.transition, self.hmm.emission)",
        "return HMM(self.hmm.initial, self.hmm.transition, self.hmm.emission)",
        "tests/theory/information/test_kl.py::test_printed_counterexample",
    ),
    Mutation(
        "swap the arguments of the KL",
        "theory/information/kl.py",
        "return kl_table(prompt, [alternative], [prompt.length], seed=seed, budget=budget)[0][0]",
        "swapped = PromptLaw(alternative, alternative.initial, prompt.length, prompt.delimiter)\n"
        "    return kl_table(swapped, [prompt.example_law()], [prompt.length], seed=seed, budget=budget)[0][0]",
        "tests/theory/information/test_kl.py::test_printed_counterexample",
    ),
    Mutation(
        "count uncertain inputs as right",
        "theory/statements/limits.py",
        "perhaps=(possible_BxV & ~right_BxV).any(-1)",
        "perhaps=~(possible_BxV & ~wrong_BxV).any(-1)",
        "tests/theory/statements/test_limits.py::"
        "test_what_is_undecided_is_wrong_in_the_upper_end_and_right_in_the_lower",
    ),
    Mutation(
        "swap the ends of rates that are compared",
        "theory/statements/limits.py",
        "low, high = rates[better][0], rates[worse][1]",
        "low, high = rates[better][1], rates[worse][0]",
        "tests/theory/statements/test_limits.py::"
        "test_the_concept_that_wins_is_the_one_whose_lower_end_lies_above_all_upper_ends",
    ),
    Mutation(
        "leave near-ties to rounding",
        "theory/statements/limits.py",
        "[:EXACT_TESTS]",
        "[:0]",
        "tests/theory/statements/test_limits.py::test_ties_within_rounding_are_decided_in_exact_integers",
    ),
    Mutation(
        "B of the sharp Theorem 3 without the undetermined",
        "theory/statements/pairs.py",
        "self.rates.get(concept, (0.0, 0.0))[1] < -RATE_ROUNDING",
        "self.rates.get(concept, (0.0, 0.0))[0] < -RATE_ROUNDING",
        "tests/theory/statements/test_theorem_verdicts.py::test_b_holds_what_is_not_shown_to_be_beaten",
    ),
    Mutation(
        "B of the printed Theorem 3 without the undetermined",
        "theory/statements/theorems.py",
        "if row.printed_holds is not True]",
        "if row.printed_holds is False]",
        "tests/theory/statements/test_theorems.py::"
        "test_b_of_the_printed_theorem_3_holds_what_is_not_shown_to_be_outside",
    ),
    Mutation(
        "hold only the first pair's excess against the bound",
        "theory/statements/conclusions.py",
        "low, high = max(limit[0] for limit in known), max(limit[1] for limit in known)",
        "low, high = known[0]",
        "tests/theory/statements/test_theorem_verdicts.py::test_the_excess_of_every_pair_is_held_against_the_bound",
    ),
    Mutation(
        "let concepts of prior zero take part in the limit",
        "theory/statements/pairs.py",
        "possible = [int(c) for c in mixture.possible_concepts()]",
        "possible = list(range(mixture.n_concepts))",
        "tests/theory/statements/test_limits.py::test_a_wrong_concept_of_prior_zero_takes_no_part",
    ),
    Mutation(
        "forget that theta* may forbid prompts",
        "theory/statements/pairs.py",
        "if all(self.member in outcome.alive for outcome in self.outcomes):",
        "if self.outcomes:",
        "tests/theory/statements/test_theorem_verdicts.py::test_no_verdict_is_false",
    ),
    Mutation(
        "forget which first examples a concept survives",
        "theory/information/survival.py",
        "safe | {c for c, lives in zip(at_risk, alive, strict=True) if lives}",
        "safe | set(at_risk)",
        "tests/theory/information/test_survival.py::test_the_case_where_a_first_example_decides",
    ),
    Mutation(
        "pool the pairs of a measured risk",
        "theory/statements/risk.py",
        "_worst([binomial_interval(int(w), each, level) for w in column])",
        "binomial_interval(int(column.sum()), each * len(laws), level)",
        "tests/theory/statements/test_theorem_verdicts.py::"
        "test_one_pair_that_is_wrong_on_a_tenth_is_not_lost_among_nine_that_are_right",
    ),
    Mutation(
        "forward kernel for the reversed one",
        "theory/statements/repaired.py",
        "after, start = np.asarray(transition)[states].sum(0), np.asarray(initial)",
        "after, start = np.asarray(transition)[:, states].sum(1), np.asarray(initial)",
        "tests/theory/statements/test_conditions.py::test_thresholds_by_hand",
    ),
    Mutation(
        "c1 for c2",
        "theory/statements/thresholds.py",
        "2 * (log0(c2) - log0(c1))",
        "2 * (log0(c1) - log0(c1))",
        "tests/theory/statements/test_conditions.py::test_printed_counterexample",
    ),
    Mutation(
        "k for k - 1 in the test example",
        "theory/objects/prompts.py",
        "return (k + 1) * n + k - 1",
        "return (k + 1) * n + k",
        "tests/theory/objects/test_prompts.py::test_the_test_position_counts_examples_and_delimiters",
    ),
    Mutation(
        "omit the delimiter from the rate",
        "theory/information/rates.py",
        "(score[:-1, :, 2:] - score[:-1, :, 1:2]).sum(0) + closing[:, 2:] - closing[:, 1:2]",
        "(score[:, :, 2:] - score[:, :, 1:2]).sum(0)",
        "tests/theory/information/test_rates.py::test_printed_counterexample_goes_the_wrong_way",
    ),
    Mutation(
        "log2 for log",
        "theory/information/prefixes.py",
        "np.log(law, out=law)",
        "np.log2(law, out=law)",
        "tests/theory/information/test_kl.py::test_printed_counterexample",
    ),
    Mutation(
        "let a network read the token asked for",
        "lm/lstm.py",
        "begun_BxS = jnp.pad(tokens_BxT, ((0, 0), (1, 0)), constant_values=self.config.vocabulary)",
        "begun_BxS = jnp.pad(tokens_BxT, ((0, 0), (0, 1)), constant_values=self.config.vocabulary)",
        "tests/benchmarks/gap/test_loss.py::test_laws_hold_for_every_network_however_it_was_drawn",
    ),
    Mutation(
        "score a token by the row after it",
        "benchmarks/gap/loss.py",
        "answer(model, padded)[:, :-1].astype",
        "answer(model, padded)[:, 1:].astype",
        "tests/benchmarks/gap/test_loss.py::test_exact_bayes_has_no_gap",
    ),
    Mutation(
        "swap Bayes and model in the KL",
        "benchmarks/gap/loss.py",
        "np.where(p_BxTxV > 0, p_BxTxV * (log_p - log_q_BxTxV), 0.0)",
        "np.where(p_BxTxV > 0, np.exp(log_q_BxTxV) * (log_q_BxTxV - log_p), 0.0)",
        "tests/benchmarks/gap/test_loss.py::test_one_document_worked_token_by_token",
    ),
    Mutation(
        "forget the prior in the exact posterior",
        "benchmarks/gap/implied.py",
        "weighed = weigh(mixture.prior, log_evidence_NxC)",
        "weighed = weigh(np.full_like(mixture.prior, 1 / len(mixture.prior)), log_evidence_NxC)",
        "tests/benchmarks/gap/test_implied.py::test_exact_bayes_implies_the_exact_posterior_and_drifts_nowhere",
    ),
    Mutation(
        "drift measured one token early",
        "benchmarks/gap/bayesianity.py",
        "answer(model, tokens)[:, length:]",
        "answer(model, tokens)[:, length - 1 : -1]",
        "tests/benchmarks/gap/test_implied.py::test_exact_bayes_implies_the_exact_posterior_and_drifts_nowhere",
    ),
    Mutation(
        "ask a model one token late in context",
        "benchmarks/predictors/curves.py",
        "answer(model, tokens_PxT[:, : max(at)])[:, at]",
        "answer(model, tokens_PxT)[:, [a + 1 for a in at]]",
        "tests/benchmarks/gap/test_gap.py::test_prompts_are_split_by_whether_bayes_exists_and_log_loss_is_at_least_the_entropy",
    ),
    Mutation(
        "probe the activations before each token",
        "lm/model.py",
        "[: len(tokens_BxT), 1:]",
        "[: len(tokens_BxT), :-1]",
        "tests/benchmarks/gap/test_gap.py::test_activations_are_those_after_each_token",
    ),
    Mutation(
        "fit a scaling law to what is held out",
        "benchmarks/gap/scaling_laws.py",
        "kept = slice(0, len(ns) - HELD_OUT)",
        "kept = slice(0, len(ns))",
        "tests/benchmarks/gap/test_gap.py::test_what_is_held_out_does_not_move_the_fit",
    ),
    Mutation(
        "a guard against underflow that does not look ahead to the next rescaling",
        "theory/filtering/scaled.py",
        "doubtful = (smallest * least_C[:, None] ** every < floor_of(dtype)).any(0)",
        "doubtful = (smallest * least_C[:, None] < floor_of(dtype)).any(0)",
        "tests/theory/filtering/test_filter.py::test_a_state_that_underflows_inside_its_concept_still_counts",
    ),
    Mutation(
        "a start where rho* is 0 left out",
        "theory/proofs/certify.py",
        "return extreme(p / q for p, q in pairs if q)",
        "return extreme(p / q for p, q in pairs if p and q)",
        "tests/theory/proofs/test_certify.py::test_rho_star_of_zero_makes_the_repaired_condition_say_nothing",
    ),
    Mutation(
        "c6 from the first concept",
        "theory/proofs/certify.py",
        "best = [max(row[token] for row in exact.emission[exact.true])",
        "best = [max(row[token] for row in exact.emission[0])",
        "tests/theory/proofs/test_certify.py::test_c6_is_of_theta_star",
    ),
    Mutation(
        "concepts of prior zero in certificates",
        "theory/proofs/exact_instance.py",
        "kept = sorted({true_concept, *mixture.possible_concepts().tolist()})",
        "kept = list(range(mixture.n_concepts))",
        "tests/theory/proofs/test_certify.py::test_concepts_of_prior_zero_take_no_part",
    ),
    Mutation(
        "certify rates as if every example followed a delimiter",
        "theory/proofs/certify.py",
        "if sums.by_other.later or sums.by_other.first == 1:",
        "if sums.by_other.later:",
        "tests/theory/proofs/test_certify.py::test_the_first_example_counts",
    ),
    Mutation(
        "k for k - 1 in Theorem 2",
        "theory/statements/fisher.py",
        "nats = factor.printed * worst / (k - 1) if inside else 0.0",
        "nats = factor.printed * worst / k if inside else 0.0",
        "tests/theory/statements/test_fisher.py::test_theorem_2_divides_by_k_minus_1",
    ),
    Mutation(
        "k for k - 1 in gamma",
        "theory/statements/fisher.py",
        "_needed(info[-1], info.sum(0) / (len(info) - 1))",
        "_needed(info[-1], info.sum(0) / len(info))",
        "tests/theory/statements/test_fisher.py::test_gamma_of_a_known_pencil",
    ),
    Mutation(
        "a whole delimiter share for each delimiter state",
        "theory/objects/families.py",
        "share * delimiters / delimiters.sum()",
        "share * delimiters",
        "tests/theory/objects/test_families.py::test_a_delimiter_share_is_split_between_the_delimiter_states",
    ),
    Mutation(
        "implied instead of and: delimiter states that cannot be reached",
        "theory/information/supports.py",
        "move.astype(np.float32) > 0) & speak",
        "move.astype(np.float32) > 0) <= speak",
        "tests/theory/information/test_supports.py::test_a_delimiter_that_no_example_leads_to_is_forbidden",
    ),
    Mutation(
        "the sampler's emission of the closing token for every law",
        "theory/information/prefixes.py",
        "emission * (transition @ emission[:, :, closing_token, None])",
        "emission * (transition @ emission[:1, :, closing_token, None])",
        "tests/theory/information/test_supports.py::test_closing_probabilities_are_of_each_law_itself",
    ),
    Mutation(
        "one tail for two in Chernoff's interval",
        "theory/statements/bounds.py",
        "math.log(2.0 / (1.0 - level))",
        "math.log(1.0 / (1.0 - level))",
        "tests/theory/statements/test_bounds.py"
        "::test_bounded_mean_interval_ends_where_both_tails_together_have_the_level",
    ),
    Mutation(
        "one tail for two in Clopper and Pearson's interval",
        "theory/statements/bounds.py",
        "tail = 0.5 * (1.0 - level)",
        "tail = 1.0 - level",
        "tests/theory/statements/test_bounds.py::test_binomial_interval_leaves_half_the_rest_on_each_side",
    ),
    Mutation(
        "derivatives that are not cut",
        "theory/filtering/bounded.py",
        "return jnp.clip(x, -limit, limit)",
        "return x",
        "tests/theory/filtering/test_derivatives.py::test_a_closed_block_without_belief_spoils_nothing",
    ),
    Mutation(
        "an interval that forgets what was never drawn",
        "theory/information/sampled_means.py",
        "np.sqrt(2.0 * variance * level / count) + 7.0 * span * level / (3.0 * (count - 1.0))",
        "np.sqrt(2.0 * variance * level / count)",
        "tests/theory/information/test_sampled_means.py::test_a_rare_prefix_is_never_missed",
    ),
    Mutation(
        "checks of what users bring on what was computed",
        "benchmarks/gap/loss.py",
        "risk, tv = computed_excess_risk(p_BxTxV",
        "from implicit_bayes.theory.statements.bounds import excess_risk\n    risk, tv = excess_risk(p_BxTxV",
        "tests/benchmarks/gap/test_loss.py::test_a_predictive_below_float64s_range_is_no_fault",
    ),
)

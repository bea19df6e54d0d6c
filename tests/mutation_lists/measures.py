"""Errors in the simulators, the models and the measures of models."""

from mutation_lists import Mutation

MEASURES = (
    Mutation(
        "round an alias limit to the nearest",
        "simulators/alias.py",
        "np.where(limit_NxK - column_K < accept_NxK, np.nextafter(limit_NxK, np.inf), limit_NxK)",
        "limit_NxK",
        "tests/simulators/test_compiled_walks.py::test_a_limit_says_exactly_what_the_fraction_says",
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
        "answer_at(model, tokens, [length, length + 1])",
        "answer_at(model, tokens, [length - 1, length])",
        "tests/benchmarks/gap/test_implied.py::test_exact_bayes_implies_the_exact_posterior_and_drifts_nowhere",
    ),
    Mutation(
        "ask a model one token late in context",
        "benchmarks/predictors/curves.py",
        "answer_at(model, tokens_PxT, at)",
        "answer_at(model, tokens_PxT, [a + 1 for a in at])",
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
        "checks of what users bring on what was computed",
        "benchmarks/gap/loss.py",
        "risk, tv = computed_excess_risk(p_BxTxV",
        "from implicit_bayes.theory.statements.bounds import excess_risk\n    risk, tv = excess_risk(p_BxTxV",
        "tests/benchmarks/gap/test_loss.py::test_a_predictive_below_float64s_range_is_no_fault",
    ),
)

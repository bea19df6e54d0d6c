(** * What every listed theorem rests on: printed by [make proofs] and compared with assumptions.txt

    The axioms that may appear are those of Coq's own real numbers and their logarithm: [sig_not_dec] and
    [sig_forall_dec] (the classical reals), [functional_extensionality_dep] and [classic]. *)

From IB Require Import Models Assembled Moments Information Rates Lemma1 Theorem1 Sharp Misled Printed
  PrintedCounterexample.


Goal True. idtac "== assembled_inequality (theory section 3)". Abort.
Print Assumptions assembled_inequality.
Goal True. idtac "== moment_bound (F1)". Abort.
Print Assumptions moment_bound.
Goal True. idtac "== chain_rule (sum of KL_j)". Abort.
Print Assumptions chain_rule.
Goal True. idtac "== posterior_concentrates (repaired condition)". Abort.
Print Assumptions posterior_concentrates.
Goal True. idtac "== lemma_1_by_posterior (repaired Lemma 1)". Abort.
Print Assumptions lemma_1_by_posterior.
Goal True. idtac "== lemma_1_by_start (repaired Lemma 1)". Abort.
Print Assumptions lemma_1_by_start.
Goal True. idtac "== repaired_theorem_1". Abort.
Print Assumptions repaired_theorem_1.
Goal True. idtac "== error_vanishes (repaired Theorem 1, as a limit)". Abort.
Print Assumptions error_vanishes.
Goal True. idtac "== sharp_moments (one delimiter state)". Abort.
Print Assumptions sharp_moments.
Goal True. idtac "== expected_log_ratio (one delimiter state)". Abort.
Print Assumptions expected_log_ratio.
Goal True. idtac "== printed_hypotheses_hold (printed-counterexample)". Abort.
Print Assumptions printed_hypotheses_hold.
Goal True. idtac "== rate_is_positive (printed-counterexample)". Abort.
Print Assumptions rate_is_positive.
Goal True. idtac "== printed_theorem_1_is_false". Abort.
Print Assumptions printed_theorem_1_is_false.

(** * What every listed theorem rests on: printed by [make proofs] and compared with assumptions.txt

    The axioms that may appear are those of Coq's own real numbers and of what its library proves of them:
    [sig_not_dec] and [sig_forall_dec] (the classical reals), [functional_extensionality_dep] and [classic]. *)

From IB Require Import Models Constants Assembled Moments Information Rates Lemma1 Answers Sharp Theorem1 Misled Printed
  PrintedCounterexample Lemma1Counterexample Regular.

Goal True. idtac "== assembled_inequality (theory, section 3: any number of delimiter states, every n)". Abort.
Print Assumptions assembled_inequality.
Goal True. idtac "== best_star_constants (the minima c1, c5, c6, rho qualify)". Abort.
Print Assumptions best_star_constants.
Goal True. idtac "== best_other_constants (the maxima c2, R_theta qualify)". Abort.
Print Assumptions best_other_constants.
Goal True. idtac "== moment_bound (F1, theory, section 7)". Abort.
Print Assumptions moment_bound.
Goal True. idtac "== chain_rule (sum of KL_j = KL of whole examples)". Abort.
Print Assumptions chain_rule.
Goal True. idtac "== condition_makes_a_moment_small (B^s E ratio^s < 1 for some s in (0,1])". Abort.
Print Assumptions condition_makes_a_moment_small.
Goal True. idtac "== posterior_concentrates (the repaired condition makes F1 geometric)". Abort.
Print Assumptions posterior_concentrates.
Goal True. idtac "== lemma_1_by_posterior (repaired Lemma 1, posteriors of the first state)". Abort.
Print Assumptions lemma_1_by_posterior.
Goal True. idtac "== lemma_1_by_start (repaired Lemma 1, start laws)". Abort.
Print Assumptions lemma_1_by_start.
Goal True. idtac "== repaired_theorem_1 (Theorem 1, repaired, whole)". Abort.
Print Assumptions repaired_theorem_1.
Goal True. idtac "== sharp_moments (one delimiter state: the moments of the odds, an equality)". Abort.
Print Assumptions sharp_moments.
Goal True. idtac "== expected_log_ratio (one delimiter state: E n r_n = constant + (n-1) rate)". Abort.
Print Assumptions expected_log_ratio.
Goal True. idtac "== sharp_theorem_1 (Theorem 1, sharp, one delimiter state)". Abort.
Print Assumptions sharp_theorem_1.
Goal True. idtac "== misled (a wrong concept of negative rates makes the error stay)". Abort.
Print Assumptions misled.
Goal True. idtac "== PrintedCounterexample.printed_hypotheses_hold (A1-A5 and Condition 1)". Abort.
Print Assumptions PrintedCounterexample.printed_hypotheses_hold.
Goal True. idtac "== PrintedCounterexample.rate_is_positive (rate > 2 nats an example)". Abort.
Print Assumptions PrintedCounterexample.rate_is_positive.
Goal True. idtac "== printed_theorem_1_is_false (the printed Theorem 1)". Abort.
Print Assumptions printed_theorem_1_is_false.
Goal True. idtac "== Lemma1Counterexample.printed_hypotheses_hold (A1-A5 and Condition 1)". Abort.
Print Assumptions Lemma1Counterexample.printed_hypotheses_hold.
Goal True. idtac "== printed_lemma_1_is_false (the printed Lemma 1)". Abort.
Print Assumptions printed_lemma_1_is_false.
Goal True. idtac "== printed_theorem_1_fails_again (though the rate is negative)". Abort.
Print Assumptions printed_theorem_1_fails_again.
Goal True. idtac "== regular_meets_the_hypotheses (k = 2, every true concept)". Abort.
Print Assumptions regular_meets_the_hypotheses.
Goal True. idtac "== regular_learns (k = 2, every true concept)". Abort.
Print Assumptions regular_learns.

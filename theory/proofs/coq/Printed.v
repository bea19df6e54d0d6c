(** * Assumptions 1 to 5 and Condition 1 as the paper prints them

    [A1] is in Models. The constants have the paper's names; the two strict inequalities of A2 and those on c5, c6 are
    strict here too. *)

From Coq Require Import Reals List Lia Lra Arith.
From IB Require Import Sums Models Forward Expectations Information Moments Lemma1.
Import ListNotations.
Open Scope R_scope.

Section Printed.
Context {C H V : nat} (m : MixtureOfHMMs C H V) (P : PromptLaw H V).
Variable true : nat.
Notation k := (example_length P).
Notation star := (concept m true).

(** A2: p(d|h,theta) < c2 for theta <> theta_star, p(d|h,theta_star) > c1 > 0, start law p(d|theta) in [c3,c4]. *)
Definition A2 (c1 c2 c3 c4 : R) : Prop :=
  0 < c1 /\ 0 < c3 /\
  (forall h d, (h < H)%nat -> In d (delimiter_states m) -> c1 < transition star h d) /\
  (forall c h d, In c (others C true) -> (h < H)%nat -> In d (delimiter_states m) -> transition (concept m c) h d < c2) /\
  (forall c d, (c < C)%nat -> In d (delimiter_states m) -> c3 <= initial (concept m c) d <= c4).

(** A3: max over d of TV( p_prompt(h), p(h|d,theta_star) ) < Δ(x)/4 for every possible x_test. *)
Definition A3 : Prop :=
  forall x, In x (words V (k - 1)) -> 0 < p_prompt P x ->
  exists y delta, leads V (p_prompt_next P x) y delta /\
  forall d, In d (delimiter_states m) -> TV H (start P) (transition star d) < delta / 4.

(** A4: theta_star is in the family. *)
Definition A4 : Prop := (true < C)%nat /\ hmm P = star.

(** A5: p(h'|h,theta_star) > c5 > 0, p(h|theta_star) >= c8 > 0, every token has a state with p(o|h,theta_star) > c6 > 0,
    and the prior has full support (it is bounded, being finite). *)
Definition A5 (c5 c6 c8 : R) : Prop :=
  0 < c5 /\ 0 < c6 /\ 0 < c8 /\
  (forall h h', (h < H)%nat -> (h' < H)%nat -> c5 < transition star h h') /\
  (forall h, (h < H)%nat -> c8 <= initial star h) /\
  (forall o, (o < V)%nat -> exists h, (h < H)%nat /\ c6 < emission star h o) /\
  (forall c, (c < C)%nat -> 0 < prior m c).

(** Condition 1: sum_j KL_j(theta) > log(1/c8) + 2 log(c2/c1) + log(c4/c3) for every theta <> theta_star. *)
Definition Condition_1 (c1 c2 c3 c4 c8 : R) : Prop :=
  forall c, In c (others C true) ->
  KL_sum_exceeds P (concept m c) (ln (1 / c8) + (2 * ln (c2 / c1) + ln (c4 / c3))).

(** Everything that the printed Theorem 1 asks for. *)
Definition printed_hypotheses : Prop :=
  is_mixture m /\ law H (start P) /\ (2 <= k)%nat /\
  exists c1 c2 c3 c4 c5 c6 c8,
    A1 m /\ A2 c1 c2 c3 c4 /\ A3 /\ A4 /\ A5 c5 c6 c8 /\ Condition_1 c1 c2 c3 c4 c8.

End Printed.

(** * Theorem 1, repaired, and its sharp version

    For every finite mixture that meets A1 and A4, whose theta_star can go from every state to every other and emit every
    token: if every wrong concept of positive prior satisfies the repaired condition, and every x_test the repaired
    Lemma 1, then the in-context predictor f_n errs with a probability that tends to 0, geometrically in the number n
    of examples. Any number of delimiter states. *)

From Coq Require Import Reals List Lia Lra Arith.
From Coquelicot Require Import Rbar Rcomplements Lim_seq.
From IB Require Import Sums Models Forward Assembled Expectations Moments Information Rates Lemma1 Answers Sharp.
Import ListNotations.
Open Scope R_scope.

Section Hypotheses.
Context {C H V : nat} (m : MixtureOfHMMs C H V) (P : PromptLaw H V).
Variable true : nat.
Notation k := (example_length P).
Notation star := (concept m true).

(** What every version asks for. The last line is the repaired Lemma 1's hypothesis, for every possible x_test. *)
Definition common_hypotheses (c1 c5 c6 rho : R) : Prop :=
  is_mixture m /\ law H (start P) /\ (1 <= k)%nat /\ A1 m /\
  (true < C)%nat /\ hmm P = star /\ 0 < prior m true /\
  star_constants m star c1 c5 c6 rho /\
  (forall O, possible_example P O -> 0 < probability star O) /\
  (forall x, In x (words V (k - 1)) -> 0 < p_prompt P x -> lemma_1_condition m P true x).

Definition repaired_hypotheses : Prop :=
  exists c1 c5 c6 rho, common_hypotheses c1 c5 c6 rho /\
  forall c, In c (others C true) -> 0 < prior m c ->
  exists c2 R_theta, other_constants m (concept m c) c2 R_theta /\ repaired_condition m P true c c1 rho c2 R_theta.

(** One delimiter state d; the rate of every wrong concept is negative (or it forbids a possible example: rate -inf). *)
Definition sharp_hypotheses : Prop :=
  exists c1 c5 c6 rho d, common_hypotheses c1 c5 c6 rho /\ delimiter_states m = [d] /\
  forall c, In c (others C true) -> 0 < prior m c ->
  (exists O, possible_example P O /\ segment m d c O = 0) \/ rate m P d true c < 0.

(** The conclusion: the error of every argmax of the predictive tends to 0, and geometrically. *)
Definition learns : Prop :=
  forall f y_test, is_predictor m P f -> is_target P y_test ->
  (exists A r, 0 <= r < 1 /\ forall n, (1 <= n)%nat -> error P f y_test n <= A * r ^ n)
  /\ is_lim_seq (error P f y_test) 0.

Theorem repaired_theorem_1 : repaired_hypotheses -> learns.
Proof.
  intros (c1 & c5 & c6 & rho & (VM & VS & K1 & A1' & LT & A4' & PT & SB & SP & L1) & OC) f y_test FP FT.
  destruct (finite_choice (others C true) (fun c c2 => 0 < prior m c -> exists R_theta,
    other_constants m (concept m c) c2 R_theta /\ repaired_condition m P true c c1 rho c2 R_theta)) as (c2 & OC2).
  { intros c I. destruct (Rlt_dec 0 (prior m c)) as [PC | PC]; [| now exists 0].
    destruct (OC c I PC) as (c2 & R_theta & OCR). exists c2. intros _. now exists R_theta. }
  destruct (finite_choice (others C true) (fun c R_theta => 0 < prior m c ->
    other_constants m (concept m c) (c2 c) R_theta /\ repaired_condition m P true c c1 rho (c2 c) R_theta))
    as (R_theta & OCR).
  { intros c I. destruct (Rlt_dec 0 (prior m c)) as [PC | PC]; [| now exists 0].
    destruct (OC2 c I PC) as (R_theta & B). now exists R_theta. }
  destruct (posterior_concentrates m P true VM VS A1' LT A4' PT K1 c1 c5 c6 rho SB SP c2 R_theta) as (A & r & NA & RR & POST).
  - intros c I PC. apply (OCR c I PC).
  - intros c I PC. apply (OCR c I PC).
  - destruct (concentration_suffices m P true VM VS A1' LT A4' PT K1 c1 c5 c6 rho SB SP f y_test r RR) as (A' & B); auto.
    + intros x I. exists A. intros n N. now apply POST.
    + split; [now exists A', r |]. exact (error_tends_to_0 m P true VM VS LT A4' f y_test A' r RR B).
Qed.

Theorem sharp_theorem_1 : sharp_hypotheses -> learns.
Proof.
  intros (c1 & c5 & c6 & rho & d & (VM & VS & K1 & A1' & LT & A4' & PT & SB & SP & L1) & ONE & NEG) f y_test FP FT.
  assert (VH := hmm_valid m P true VM LT A4').
  assert (Id : In d (delimiter_states m)) by (rewrite ONE; simpl; auto).
  assert (DT : (delimiter m < V)%nat) by apply VM.
  destruct (sharp_concentrates m P d ONE VM A1' true LT PT VS VH K1) as (r & RR & POST); auto.
  - intros O I. pose proof (example_tokens P O I) as TO. split.
    + (* p(O, delim) >= |D| c1 p(O) > 0 *)
      unfold first_segment. eapply Rlt_le_trans;
        [| apply (last_segment m star (star_valid m true VM LT) (fun h L => A1' true h LT L) c1 c5 c6 rho O [] SB); auto].
      * rewrite ONE. simpl. pose proof (c1_pos _ _ _ _ _ _ SB). pose proof (SP O I).
        rewrite !Rmult_1_l, Rmult_1_r. now apply Rmult_lt_0_compat.
      * destruct I as [I _]. apply words_spec in I. destruct O; [simpl in I; lia | discriminate].
      * constructor.
    + unfold segment. apply (test_possible m true VM LT c1 c5 c6 rho SB d); auto. now apply (snoc_delim m VM).
  - destruct (concentration_suffices m P true VM VS A1' LT A4' PT K1 c1 c5 c6 rho SB SP f y_test r RR) as (A' & B); auto.
    + intros x I. apply words_spec in I. destruct I as [_ T]. apply POST; auto.
      now apply (test_possible m true VM LT c1 c5 c6 rho SB d).
    + split; [now exists A', r |]. exact (error_tends_to_0 m P true VM VS LT A4' f y_test A' r RR B).
Qed.

(** A5's c8 gives the last but one hypothesis: where every state can start a document, every example is possible. *)
Lemma every_example_possible c1 c5 c6 rho c8 :
  is_mixture m -> law H (start P) -> (true < C)%nat -> star_constants m star c1 c5 c6 rho ->
  0 < c8 -> (forall h, (h < H)%nat -> c8 <= initial star h) ->
  forall O, possible_example P O -> 0 < probability star O.
Proof.
  intros VM VS LT SB P8 B8 O I. assert (VH := star_valid m true VM LT). pose proof (example_tokens P O I) as TO.
  assert (P5 := c5_pos _ _ _ _ _ _ SB). assert (P6 := c6_pos _ _ _ _ _ _ SB).
  assert (HP : (0 < H)%nat).
  { destruct H; [| lia]. destruct VS as [_ S]. simpl in S. lra. }
  assert (U5 : c5 <= 1).
  { apply Rle_trans with (transition star 0 0); [now apply (c5_bound _ _ _ _ _ _ SB) |].
    rewrite <- (transition_total star VH 0) by auto.
    apply (sum_ge_term (below H) (transition star 0)); [| now apply in_below].
    intros h J. apply in_below in J. now apply transition_nonneg. }
  eapply Rlt_le_trans; [| apply (last_tokens m star VH c1 c5 c6 rho c8 (initial star) O SB TO); [lra | |]].
  - apply Rmult_lt_0_compat; auto. apply pow_lt. now apply Rmult_lt_0_compat.
  - intros h L. specialize (B8 h L). nra.
  - apply Rle_trans with (initial star 0); [auto |].
    apply (sum_ge_term (below H) (initial star)); [| now apply in_below].
    intros h J. apply in_below in J. now apply VH.
Qed.

End Hypotheses.

(** * The printed Theorem 1 has a counterexample

    Four states that are the tokens a, b, c, d; D = {d}; k = 2; prior 1/2, 1/2. *)

From Coq Require Import Reals List Lia Lra Arith.
From IB Require Import Logarithms.
From IB Require Import Sums Models Forward Assembled Expectations Moments Information Lemma1 Rates
  Answers Sharp Misled Printed Tables PrintedTables.
Import ListNotations.
Open Scope R_scope.

Notation P := (prompt_law 0).

Ltac values := cbv [mixture prompt_law concept_0 concept_1 vector matrix nth prior concept delimiter delimiter_state
  initial transition emission hmm start example_length sum below seq existsb Nat.eqb orb].

Lemma valid : is_mixture mixture.
Proof.
  split; [| split; [| cbn; lia]].
  - split; [every; values; lra | values; lra].
  - every.
    all: split; [split; [every; values; lra | values; lra] |].
    all: split; every; (split; [every; values; lra | values; lra]).
Qed.

Lemma valid_concept c : (c < 2)%nat -> is_HMM (concept mixture c).
Proof. apply valid. Qed.

Lemma valid_start : law 4 (start P).
Proof. split; [every; values; lra | values; lra]. Qed.

Lemma D_is_d : delimiter_states mixture = [3%nat].
Proof. reflexivity. Qed.

Lemma identity c : (c < 2)%nat -> identity_emission (concept mixture c).
Proof.
  intros L. split; [reflexivity |]. revert c L. every.
  all: intros h o L; revert h L; every; destruct o as [| [| [| [| o]]]]; values; try reflexivity.
  all: destruct o; reflexivity.
Qed.

Lemma a1 : A1 mixture.
Proof. intros c h L. revert c L h. every; every; values; lra. Qed.

Lemma a2 : A2 mixture 0 (199/10000) (3001/10000) (1/5) (1/5).
Proof.
  unfold A2. rewrite D_is_d. repeat split; try lra.
  - intros h d L [<- | []]. revert h L. every; values; lra.
  - intros c h d [<- | []] L [<- | []]. revert h L. every; values; lra.
  - destruct H0 as [<- | []]. revert c H. every; values; lra.
  - destruct H0 as [<- | []]. revert c H. every; values; lra.
Qed.

Lemma a4 : A4 mixture P 0.
Proof. split; [lia | reflexivity]. Qed.

Lemma a5 : A5 mixture 0 (1/1000) (1/2) (1/5).
Proof.
  unfold A5. split; [lra |]. split; [lra |]. split; [lra |]. split; [| split; [| split]].
  - intros h h' L L'. revert h L h' L'. every; every; values; lra.
  - every; values; lra.
  - intros o L. exists o. split; [exact L |]. revert o L. every; values; lra.
  - every; values; lra.
Qed.

(** ** A3 *)

Lemma p_prompt_two o o' : (o < 4)%nat -> (o' < 4)%nat -> p_prompt P [o; o'] = start P o * transition concept_0 o o'.
Proof. intros. apply identity_two; auto; [apply (identity 0); lia | apply (valid_concept 0); lia]. Qed.

Lemma p_prompt_one o : (o < 4)%nat -> p_prompt P [o] = start P o.
Proof. intros. apply identity_one; auto; [apply (identity 0); lia | apply (valid_concept 0); lia]. Qed.

Lemma p_prompt_after o : (o < 4)%nat -> 0 < start P o ->
  forall o', (o' < 4)%nat -> p_prompt_next P [o] o' = transition concept_0 o o'.
Proof.
  intros L N o' L'. unfold p_prompt_next. simpl app. rewrite p_prompt_two, p_prompt_one by auto. field. lra.
Qed.

Lemma a3 : A3 mixture P 0.
Proof.
  assert (F : forall o y delta, (o < 4)%nat -> 0 < start P o -> (y < 4)%nat ->
    (forall y', (y' < 4)%nat -> y' <> y -> transition concept_0 o y' + delta <= transition concept_0 o y) ->
    TV 4 (start P) (transition concept_0 3) < delta / 4 ->
    exists y delta, leads 4 (p_prompt_next P [o]) y delta /\
    forall d, In d (delimiter_states mixture) -> TV 4 (start P) (transition (concept mixture 0) d) < delta / 4).
  { intros o y delta L N Ly LEAD CLOSE. exists y, delta. split.
    - split; auto. intros y' L' NE. rewrite !p_prompt_after by auto. now apply LEAD.
    - intros d [<- | []]. exact CLOSE. }
  assert (T : TV 4 (start P) (transition concept_0 3) = 35 / 1000).
  { unfold TV. values. unfold Rabs. repeat destruct Rcase_abs; lra. }
  change (example_length P) with 2%nat. unfold Nat.sub. every_word; intros PX.
  - apply (F 0%nat 1%nat (1956/10000)); try lia; [values; lra | | rewrite T; lra].
    every; intros NE; try lia; values; lra.
  - apply (F 1%nat 0%nat (833/1000)); try lia; [values; lra | | rewrite T; lra].
    every; intros NE; try lia; values; lra.
  - apply (F 2%nat 0%nat (833/1000)); try lia; [values; lra | | rewrite T; lra].
    every; intros NE; try lia; values; lra.
  - rewrite p_prompt_one in PX by lia. revert PX. values. lra.
Qed.

(** ** Condition 1 *)

Lemma probability_two c o o' : (c < 2)%nat -> (o < 4)%nat -> (o' < 4)%nat ->
  probability (concept mixture c) [o; o'] = initial (concept mixture c) o * transition (concept mixture c) o o'.
Proof. intros. apply identity_two; auto; [now apply identity | now apply valid_concept]. Qed.

Lemma two_tokens (f : list nat -> R) :
  Σ w ∈ words 4 2, f w = Σ o ∈ below 4, Σ o' ∈ below 4, f [o; o'].
Proof. cbv [words flat_map map app below seq sum]. ring. Qed.

Lemma possible_1 : allows P (concept mixture 1) 2.
Proof.
  every_word; intros _; rewrite probability_two by lia; values; lra.
Qed.

(** sum_j KL_j as a finite sum of logarithms of fractions. *)
Lemma KL_sum_value : KL_sum P (concept mixture 1)
  = Σ o ∈ below 3, Σ o' ∈ below 4, start P o * transition concept_0 o o'
      * ln (start P o * transition concept_0 o o' / (initial concept_1 o * transition concept_1 o o')).
Proof.
  rewrite (chain_rule P (concept mixture 1)); [| apply valid_concept; lia | apply (valid_concept 0); lia | apply valid_start | apply possible_1].
  unfold KL_words. change (example_length P) with 2%nat. rewrite two_tokens.
  transitivity (Σ o ∈ below 4, Σ o' ∈ below 4, start P o * transition concept_0 o o'
      * ln (start P o * transition concept_0 o o' / (initial concept_1 o * transition concept_1 o o'))).
  - apply sum_ext. intros o I. apply in_below in I. apply sum_ext. intros o' I'. apply in_below in I'.
    rewrite p_prompt_two, probability_two by (auto; lia). reflexivity.
  - cbv [below seq sum]. replace (start P 3%nat) with 0 by reflexivity. rewrite !Rmult_0_l. ring.
Qed.

Lemma condition_1 : Condition_1 mixture P 0 (199/10000) (3001/10000) (1/5) (1/5) (1/5).
Proof.
  intros c [<- | []]. right. rewrite KL_sum_value. values. apply Rlt_gt. logarithms.
Qed.

(** Every hypothesis of the printed Theorem 1 holds. *)
Theorem printed_hypotheses_hold : printed_hypotheses mixture P 0.
Proof.
  split; [apply valid |]. split; [apply valid_start |]. split; [cbn; lia |].
  exists (199/10000), (3001/10000), (1/5), (1/5), (1/1000), (1/2), (1/5).
  exact (conj a1 (conj a2 (conj a3 (conj a4 (conj a5 condition_1))))).
Qed.

(** ** And yet the rate is positive: the posterior goes to the wrong concept *)

Lemma segment_value c o o' : (c < 2)%nat -> (o < 4)%nat -> (o' < 4)%nat ->
  segment mixture 3 c [o; o']
  = transition (concept mixture c) 3 o * (transition (concept mixture c) o o' * transition (concept mixture c) o' 3).
Proof. intros. apply (identity_three (concept mixture c)); auto; [now apply identity | now apply valid_concept]. Qed.

Lemma rate_value base c : (base < 2)%nat -> (c < 2)%nat ->
  rate mixture P 3 base c = Σ o ∈ below 3, Σ o' ∈ below 4, start P o * transition concept_0 o o'
    * ln (transition (concept mixture c) 3 o * (transition (concept mixture c) o o' * transition (concept mixture c) o' 3)
          / (transition (concept mixture base) 3 o
             * (transition (concept mixture base) o o' * transition (concept mixture base) o' 3))).
Proof.
  intros Lb Lc. unfold rate, expect_example. change (example_length P) with 2%nat. rewrite two_tokens.
  transitivity (Σ o ∈ below 4, Σ o' ∈ below 4, start P o * transition concept_0 o o'
    * ln (transition (concept mixture c) 3 o * (transition (concept mixture c) o o' * transition (concept mixture c) o' 3)
          / (transition (concept mixture base) 3 o
             * (transition (concept mixture base) o o' * transition (concept mixture base) o' 3)))).
  - apply sum_ext. intros o I. apply in_below in I. apply sum_ext. intros o' I'. apply in_below in I'.
    unfold segment_ratio. rewrite p_prompt_two, !segment_value by auto. reflexivity.
  - cbv [below seq sum]. replace (start P 3%nat) with 0 by reflexivity. rewrite !Rmult_0_l. ring.
Qed.

(** lim r_n(theta) > 0 (about 2.0041 nats an example). *)
Theorem rate_is_positive : rate mixture P 3 0 1 > 2.
Proof. rewrite rate_value by lia. values. apply Rlt_gt. logarithms. Qed.

Lemma rate_reversed : rate mixture P 3 1 0 < 0.
Proof. rewrite rate_value by lia. values. logarithms. Qed.

(** At x_test = a theta_star answers b, and theta answers c. *)
Lemma answer_of_star : leads 4 (p_prompt_next P [0%nat]) 1 (1956/10000).
Proof.
  assert (N : 0 < start P 0) by (values; lra).
  split; [lia |]. every; intros NE; try lia; rewrite !p_prompt_after by (auto; lia); values; lra.
Qed.

Lemma answer_of_theta :
  leads 4 (next_from (concept mixture 1) (transition (concept mixture 1) 3) [0%nat]) 2 (1/10).
Proof.
  assert (E : forall y, (y < 4)%nat ->
    next_from (concept mixture 1) (transition (concept mixture 1) 3) [0%nat] y = transition concept_1 0 y).
  { intros y L. unfold next_from. simpl app.
    rewrite identity_two, identity_one; try lia; try apply (identity 1); try apply valid_concept; try lia.
    values. field. }
  split; [lia |]. every; intros NE; try lia; rewrite !E by lia; values; lra.
Qed.

Lemma wrong_possible O : possible_example P O -> 0 < first_segment mixture 1 O /\ 0 < segment mixture 3 1 O.
Proof.
  intros [I _]. revert O I. change (example_length P) with 2%nat. every_word.
  all: split; [unfold first_segment, probability | unfold segment]; cbn [app delimiter mixture];
    rewrite identity_three; try lia; try apply (identity 1); try apply valid_concept; try lia; values; lra.
Qed.

(** The conclusion of the printed Theorem 1 is false here: for every predictor (whatever its tie-breaking) the error
    stays above .94 minus something geometrically small. *)
Theorem printed_theorem_1_fails f y_test :
  is_predictor mixture P f -> is_target P y_test ->
  (exists A r, 0 <= r < 1 /\ forall n, (1 <= n)%nat -> 94/100 - A * r ^ n <= error P f y_test n)
  /\ ~ Lim_seq.is_lim_seq (error P f y_test) (Rbar.Finite 0).
Proof.
  intros FP FT.
  assert (PX : p_prompt P [0%nat] = 94/100) by (rewrite p_prompt_one by lia; values; lra).
  assert (X : In [0%nat] (words 4 (example_length P - 1))) by (cbn; auto).
  assert (Y : y_test [0%nat] <> 2%nat).
  { intros E. destruct (FT [0%nat] X ltac:(lra)) as [_ A]. rewrite E in A. specialize (A 1%nat ltac:(lia)).
    destruct answer_of_star as [_ LEAD]. specialize (LEAD 2%nat ltac:(lia) ltac:(lia)). lra. }
  assert (VH : is_HMM (hmm P)) by (apply (valid_concept 0); lia).
  assert (PR : 0 < prior mixture 1) by (values; lra).
  assert (K1 : (1 <= example_length P)%nat) by (cbn; lia).
  assert (RATES : forall c, In c (others 2 1) -> 0 < prior mixture c ->
    (exists O, possible_example P O /\ segment mixture 3 c O = 0) \/ rate mixture P 3 1 c < 0).
  { intros c [<- | []] _. right. apply rate_reversed. }
  assert (LAST : 0 < last_segment_probability mixture 3 1 [0%nat]).
  { unfold last_segment_probability. rewrite identity_one; try lia; try apply (identity 1); try apply valid_concept; try lia.
    values. lra. }
  rewrite <- PX. split.
  - apply (misled mixture P 3 1 D_is_d valid a1 ltac:(lia) PR valid_start VH K1 wrong_possible RATES [0%nat] 2 (1/10)
      X LAST ltac:(lra) answer_of_theta f y_test FP); auto. rewrite PX. lra.
  - apply (error_does_not_vanish mixture P 3 1 D_is_d valid a1 ltac:(lia) PR valid_start VH K1 wrong_possible RATES
      [0%nat] 2 (1/10) X LAST ltac:(lra) answer_of_theta f y_test FP); auto. rewrite PX. lra.
Qed.

(** So the printed Theorem 1 is not a theorem. *)
Theorem printed_theorem_1_is_false :
  ~ (forall C H V (m : MixtureOfHMMs C H V) (P : PromptLaw H V) true f y_test,
       printed_hypotheses m P true -> is_predictor m P f -> is_target P y_test ->
       Lim_seq.is_lim_seq (error P f y_test) (Rbar.Finite 0)).
Proof.
  intros CLAIM.
  set (f := fun S x => argmax 4 (predictive mixture (prompt (delimiter mixture) S x))).
  set (y_test := fun x => argmax 4 (p_prompt_next P x)).
  assert (FP : is_predictor mixture P f) by (intros S x _ _ _; apply argmax_is_argmax; lia).
  assert (FT : is_target P y_test) by (intros x _ _; apply argmax_is_argmax; lia).
  destruct (printed_theorem_1_fails f y_test FP FT) as [_ N]. apply N.
  exact (CLAIM 2%nat 4%nat 4%nat mixture P 0%nat f y_test printed_hypotheses_hold FP FT).
Qed.

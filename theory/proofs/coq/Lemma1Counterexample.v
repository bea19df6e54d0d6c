(** * The printed Lemma 1 has a counterexample, and with it the printed Theorem 1 fails a second time

    States A, B, C, Y1, Y2, d; tokens x, c, y1, y2, d; D = {d}; k = 2. Only A and B emit x; A answers y1, B answers y2.
    Prompt examples start in (A,B) with probabilities (.010,.005), segments after a delimiter with (.005,.010). *)

From Coq Require Import Reals List Lia Lra Arith.
From IB Require Import Logarithms.
From IB Require Import Sums Models Forward Assembled Expectations Moments Information Lemma1 Rates
  Answers Sharp Misled Printed Tables Lemma1Tables.
Import ListNotations.
Open Scope R_scope.

Notation P := (prompt_law 0).
Definition token_of (h : nat) : nat := nth h [0; 0; 1; 2; 3; 4]%nat 5%nat.
Notation theta c := (concept mixture c).

Ltac values := cbv [mixture prompt_law concept_0 concept_1 vector matrix nth prior concept delimiter delimiter_state
  initial transition emission hmm start example_length sum below seq existsb Nat.eqb orb emitters token_of filter].

Lemma valid : is_mixture mixture.
Proof.
  split; [| split; [| cbn; lia]].
  - split; [every; values; lra | values; lra].
  - every.
    all: split; [split; [every; values; lra | values; lra] |].
    all: split; every; (split; [every; values; lra | values; lra]).
Qed.

Lemma valid_concept c : (c < 2)%nat -> is_HMM (theta c).
Proof. apply valid. Qed.

Lemma valid_start : law 6 (start P).
Proof. split; [every; values; lra | values; lra]. Qed.

Lemma D_is_d : delimiter_states mixture = [5%nat].
Proof. reflexivity. Qed.

Lemma known c : (c < 2)%nat -> deterministic (theta c) token_of.
Proof.
  intros L. revert c L. every.
  all: intros h o L; revert h L; every; destruct o as [| [| [| [| [| o]]]]]; values; try reflexivity.
  all: destruct o; reflexivity.
Qed.

Lemma a1 : A1 mixture.
Proof. intros c h L. revert c L h. every; every; values; lra. Qed.

Lemma a2 : A2 mixture 0 (19/10000) (21/10000) (2/1000) (2/1000).
Proof.
  unfold A2. rewrite D_is_d. repeat split; try lra.
  - intros h d L [<- | []]. revert h L. every; values; lra.
  - intros c h d [<- | []] L [<- | []]. revert h L. every; values; lra.
  - destruct H0 as [<- | []]. revert c H. every; values; lra.
  - destruct H0 as [<- | []]. revert c H. every; values; lra.
Qed.

Lemma a4 : A4 mixture P 0.
Proof. split; [lia | reflexivity]. Qed.

Lemma a5 : A5 mixture 0 (1/10000) (1/2) (5/10000).
Proof.
  unfold A5. split; [lra |]. split; [lra |]. split; [lra |]. split; [| split; [| split]].
  - intros h h' L L'. revert h L h' L'. every; every; values; lra.
  - every; values; lra.
  - intros o L. exists (S o). split; [lia |]. revert o L. every; values; lra.
  - every; values; lra.
Qed.

(** ** Probabilities *)

Lemma one_value c a o : (c < 2)%nat -> probability_from (theta c) a [o] = Σ h ∈ @emitters 6 token_of o, a h.
Proof. intros. apply deterministic_one; [now apply known | now apply valid_concept]. Qed.

Lemma two_value c a o o' : (c < 2)%nat ->
  probability_from (theta c) a [o; o']
  = Σ h ∈ @emitters 6 token_of o, a h * Σ h' ∈ @emitters 6 token_of o', transition (theta c) h h'.
Proof. intros. apply deterministic_two; [now apply known | now apply valid_concept]. Qed.

Lemma p_prompt_next_value x y : p_prompt_next P [x] y
  = (Σ h ∈ @emitters 6 token_of x, start P h * Σ h' ∈ @emitters 6 token_of y, transition concept_0 h h')
    / Σ h ∈ @emitters 6 token_of x, start P h.
Proof.
  unfold p_prompt_next, p_prompt. simpl app. change (hmm P) with (theta 0).
  rewrite two_value, one_value by lia. reflexivity.
Qed.

Lemma TV_value : TV 6 (start P) (transition concept_0 5) = 81 / 10000.
Proof. unfold TV. values. unfold Rabs. repeat destruct Rcase_abs; lra. Qed.

(** A3 holds: the start laws are close. *)
Lemma a3 : A3 mixture P 0.
Proof.
  change (A3 mixture P 0) with (forall x, In x (words 5 1) -> 0 < p_prompt P x ->
    exists y delta, leads 5 (p_prompt_next P x) y delta /\
    forall d, In d [5%nat] -> TV 6 (start P) (transition concept_0 d) < delta / 4).
  every_word; intros PX.
  - exists 2%nat, (33/100). split; [| intros d [<- | []]; rewrite TV_value; lra].
    split; [lia |]. every; intros NE; try lia; rewrite !p_prompt_next_value; values; lra.
  - exists 1%nat, (85/100). split; [| intros d [<- | []]; rewrite TV_value; lra].
    split; [lia |]. every; intros NE; try lia; rewrite !p_prompt_next_value; values; lra.
  - exfalso. revert PX. unfold p_prompt. change (hmm P) with (theta 0). rewrite one_value by lia. values. lra.
  - exfalso. revert PX. unfold p_prompt. change (hmm P) with (theta 0). rewrite one_value by lia. values. lra.
  - exfalso. revert PX. unfold p_prompt. change (hmm P) with (theta 0). rewrite one_value by lia. values. lra.
Qed.

(** ** The two answers at x *)

Lemma answer_of_prompt : leads 5 (p_prompt_next P [0%nat]) 2 (33/100).
Proof. split; [lia |]. every; intros NE; try lia; rewrite !p_prompt_next_value; values; lra. Qed.

Lemma answer_after_delimiter : leads 5 (next_from (theta 0) (transition (theta 0) 5) [0%nat]) 3 (33/100).
Proof.
  split; [lia |]. every; intros NE; try lia; unfold next_from; simpl app; rewrite !two_value, !one_value by lia;
    values; lra.
Qed.

Lemma star_bounds : star_constants mixture (theta 0) (19/10000) (1/10000) (1/2) (1/2).
Proof.
  constructor; try lra.
  - rewrite D_is_d. intros h d L [<- | []]. revert h L. every; values; lra.
  - intros h h' L L'. revert h L h' L'. every; every; values; lra.
  - intros o L. exists (S o). split; [lia |]. revert o L. every; values; lra.
  - rewrite D_is_d. every; values; lra.
Qed.

(** The printed Lemma 1 is false: A1 to A5 hold, theta_star is known, the prompt law answers y1 at x, and after any
    examples the filter under theta_star answers y2, with a lead of a third. *)
Theorem printed_lemma_1_is_false :
  A1 mixture /\ A2 mixture 0 (19/10000) (21/10000) (2/1000) (2/1000) /\ A3 mixture P 0 /\ A4 mixture P 0
  /\ A5 mixture 0 (1/10000) (1/2) (5/10000)
  /\ leads 5 (p_prompt_next P [0%nat]) 2 (33/100)
  /\ forall O S, Forall (@tokens 5) (O :: S) -> 0 < probability (theta 0) (prompt 4 (O :: S) [0%nat]) ->
     leads 5 (fun y => probability (theta 0) (prompt 4 (O :: S) [0%nat] ++ [y])
                       / probability (theta 0) (prompt 4 (O :: S) [0%nat])) 3 (33/100).
Proof.
  refine (conj a1 (conj a2 (conj a3 (conj a4 (conj a5 (conj answer_of_prompt _)))))).
  intros O S F PW. split; [lia |]. intros y' L NE.
  assert (T : @tokens 5 [0%nat]) by (repeat constructor; lia).
  pose proof (star_leads mixture 0 valid a1 ltac:(lia) _ _ _ _ star_bounds O S [0%nat] 3 (33/100) F T) as SL.
  change (delimiter mixture) with 4%nat in SL. rewrite D_is_d in SL.
  specialize (SL ltac:(intros d [<- | []]; exact answer_after_delimiter) y' ltac:(lia) L NE).
  apply Rmult_le_reg_r with (probability (theta 0) (prompt 4 (O :: S) [0%nat])); [exact PW |].
  rewrite Rmult_plus_distr_r. unfold Rdiv at 1 3. rewrite !Rmult_assoc, !Rinv_l by lra. lra.
Qed.

(** ** Condition 1 holds as well *)

Lemma two_tokens (f : list nat -> R) : Σ w ∈ words 5 2, f w = Σ o ∈ below 5, Σ o' ∈ below 5, f [o; o'].
Proof. cbv [words flat_map map app below seq sum]. ring. Qed.

Lemma p_prompt_value o o' : p_prompt P [o; o']
  = Σ h ∈ @emitters 6 token_of o, start P h * Σ h' ∈ @emitters 6 token_of o', transition concept_0 h h'.
Proof. unfold p_prompt. change (hmm P) with (theta 0). now rewrite two_value by lia. Qed.

Lemma probability_value o o' : probability (theta 1) [o; o']
  = Σ h ∈ @emitters 6 token_of o, initial concept_1 h * Σ h' ∈ @emitters 6 token_of o', transition concept_1 h h'.
Proof. unfold probability. now rewrite two_value by lia. Qed.

(** Only x and c begin an example. *)
Lemma only_x_and_c o o' : (2 <= o)%nat -> p_prompt P [o; o'] = 0.
Proof.
  intros L. rewrite p_prompt_value. destruct o as [| [| [| [| [| o]]]]]; try lia; values; ring.
Qed.

Lemma expect_two (f : list nat -> R) :
  Σ w ∈ words 5 2, p_prompt P w * f w = Σ o ∈ below 2, Σ o' ∈ below 5, p_prompt P [o; o'] * f [o; o'].
Proof. rewrite two_tokens. cbv [below seq sum]. rewrite !(only_x_and_c 2), !(only_x_and_c 3), !(only_x_and_c 4) by lia. ring. Qed.

Lemma possible_1 : allows P (theta 1) 2.
Proof. every_word; intros _; rewrite probability_value; values; lra. Qed.

Lemma condition_1 : Condition_1 mixture P 0 (19/10000) (21/10000) (2/1000) (2/1000) (5/10000).
Proof.
  intros c [<- | []]. right.
  rewrite (chain_rule P (theta 1)); [| apply valid_concept; lia | apply (valid_concept 0); lia | apply valid_start
    | apply possible_1].
  unfold KL_words. change (example_length P) with 2%nat. rewrite expect_two.
  rewrite (sum_ext (below 2) _ (fun o => Σ o' ∈ below 5,
    (Σ h ∈ @emitters 6 token_of o, start P h * Σ h' ∈ @emitters 6 token_of o', transition concept_0 h h')
    * ln ((Σ h ∈ @emitters 6 token_of o, start P h * Σ h' ∈ @emitters 6 token_of o', transition concept_0 h h')
       / (Σ h ∈ @emitters 6 token_of o, initial concept_1 h * Σ h' ∈ @emitters 6 token_of o', transition concept_1 h h'))))
    by (intros; apply sum_ext; intros; now rewrite p_prompt_value, probability_value).
  values. apply Rlt_gt. logarithms.
Qed.

Theorem printed_hypotheses_hold : printed_hypotheses mixture P 0.
Proof.
  split; [apply valid |]. split; [apply valid_start |]. split; [cbn; lia |].
  exists (19/10000), (21/10000), (2/1000), (2/1000), (1/10000), (1/2), (5/10000).
  exact (conj a1 (conj a2 (conj a3 (conj a4 (conj a5 condition_1))))).
Qed.

(** ** The posterior does find theta_star, and the predictor is wrong at x all the same *)

Lemma segment_value c o o' : (c < 2)%nat ->
  segment mixture 5 c [o; o']
  = Σ h ∈ @emitters 6 token_of o, transition (theta c) 5 h * Σ h' ∈ @emitters 6 token_of o', transition (theta c) h h'
    * Σ h'' ∈ @emitters 6 token_of 4, transition (theta c) h' h''.
Proof. intros. apply deterministic_three; [now apply known | now apply valid_concept]. Qed.

Theorem rate_is_negative : rate mixture P 5 0 1 < 0.
Proof.
  unfold rate, expect_example. change (example_length P) with 2%nat.
  rewrite (expect_two (fun O => ln (segment_ratio mixture 5 0 1 O))).
  rewrite (sum_ext (below 2) _ (fun o => Σ o' ∈ below 5,
    (Σ h ∈ @emitters 6 token_of o, start P h * Σ h' ∈ @emitters 6 token_of o', transition concept_0 h h')
    * ln ((Σ h ∈ @emitters 6 token_of o, transition (theta 1) 5 h * Σ h' ∈ @emitters 6 token_of o',
             transition (theta 1) h h' * Σ h'' ∈ @emitters 6 token_of 4, transition (theta 1) h' h'')
          / (Σ h ∈ @emitters 6 token_of o, transition (theta 0) 5 h * Σ h' ∈ @emitters 6 token_of o',
             transition (theta 0) h h' * Σ h'' ∈ @emitters 6 token_of 4, transition (theta 0) h' h''))))
    by (intros; apply sum_ext; intros; unfold segment_ratio; now rewrite p_prompt_value, !segment_value by lia).
  values. logarithms.
Qed.

Lemma star_possible O : possible_example P O -> 0 < first_segment mixture 0 O /\ 0 < segment mixture 5 0 O.
Proof.
  intros [I _]. revert O I. change (example_length P) with 2%nat. every_word.
  all: split; [unfold first_segment, probability; cbn [app delimiter mixture];
    rewrite (deterministic_three (theta 0) token_of (known 0 ltac:(lia)) (valid_concept 0 ltac:(lia)))
    | rewrite segment_value by lia]; values; lra.
Qed.

Theorem printed_theorem_1_fails_again f y_test :
  is_predictor mixture P f -> is_target P y_test -> ~ Lim_seq.is_lim_seq (error P f y_test) (Rbar.Finite 0).
Proof.
  intros FP FT.
  assert (PX : p_prompt P [0%nat] = 15/1000).
  { unfold p_prompt. change (hmm P) with (theta 0). rewrite one_value by lia. values. lra. }
  assert (X : In [0%nat] (words 5 (example_length P - 1))) by (cbn; auto).
  assert (Y : y_test [0%nat] <> 3%nat).
  { intros E. destruct (FT [0%nat] X ltac:(lra)) as [_ A]. rewrite E in A. specialize (A 2%nat ltac:(lia)).
    destruct answer_of_prompt as [_ LEAD]. specialize (LEAD 3%nat ltac:(lia) ltac:(lia)). lra. }
  assert (VH : is_HMM (hmm P)) by (apply (valid_concept 0); lia).
  assert (PR : 0 < prior mixture 0) by (values; lra).
  assert (K1 : (1 <= example_length P)%nat) by (cbn; lia).
  assert (RATES : forall c, In c (others 2 0) -> 0 < prior mixture c ->
    (exists O, possible_example P O /\ segment mixture 5 c O = 0) \/ rate mixture P 5 0 c < 0).
  { intros c [<- | []] _. right. apply rate_is_negative. }
  assert (LAST : 0 < last_segment_probability mixture 5 0 [0%nat]).
  { unfold last_segment_probability. rewrite one_value by lia. values. lra. }
  apply (error_does_not_vanish mixture P 5 0 D_is_d valid a1 ltac:(lia) PR valid_start VH K1 star_possible RATES
    [0%nat] 3 (33/100) X LAST ltac:(lra) answer_after_delimiter f y_test FP); auto. rewrite PX. lra.
Qed.

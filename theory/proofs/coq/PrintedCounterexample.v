(** * The printed Theorem 1 has a counterexample

    Four states that are the tokens a, b, c, d; D = {d}; k = 2; prior 1/2, 1/2. *)

From Coq Require Import Reals List Lia Lra Arith.
From Interval Require Import Tactic.
From IB Require Import Sums Models Forward Assembled Expectations Moments Information Lemma1 Printed Tables PrintedTables.
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
  intros c [<- | []]. right. rewrite KL_sum_value. values. apply Rlt_gt. interval.
Qed.

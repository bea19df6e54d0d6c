(** * KL_j, the chain rule, and the repaired condition

    Coq's real logarithm is total and its value at 0 is 0, so 0 log(0/q) is 0 as it should be, but p log(p/0) is a
    meaningless finite number where it should be +inf. Wherever a divergence is *used* the case is therefore named:
    it is infinite ([forbids]: p_prompt has mass where theta has none), or every example is possible. *)

From Coq Require Import Reals List Lia Lra Arith.
From Coquelicot Require Import Rcomplements.
From IB Require Import Sums Models Forward Expectations.
Import ListNotations.
Open Scope R_scope.

Section Information.
Context {H V : nat} (P : PromptLaw H V) (theta : HMM H V).
Notation k := (example_length P).

(** p(o | u, theta), from the document start law. *)
Definition next (u : list nat) (o : nat) : R := probability theta (u ++ [o]) / probability theta u.

(** KL_j = E_{O[1:j-1]} KL( p_prompt(O[j]|O[1:j-1]) || p(O[j]|O[1:j-1],theta) ). *)
Definition KL (j : nat) : R :=
  Σ u ∈ words V (j - 1), p_prompt P u * Σ o ∈ below V, p_prompt_next P u o * ln (p_prompt_next P u o / next u o).

(** sum_{j=1..k} KL_j. *)
Definition KL_sum : R := Σ j ∈ seq 1 k, KL j.

(** KL( p_prompt(O) || p(O|theta) ) of whole sequences of j tokens. *)
Definition KL_words (j : nat) : R := Σ w ∈ words V j, p_prompt P w * ln (p_prompt P w / probability theta w).

(** theta forbids an example that the prompt law produces: sum_j KL_j = +inf. *)
Definition forbids : Prop := exists O, possible_example P O /\ probability theta O = 0.

(** sum_j KL_j > t, where sum_j KL_j may be +inf. *)
Definition KL_sum_exceeds (t : R) : Prop := forbids \/ KL_sum > t.

Hypothesis valid : is_HMM theta.
Hypothesis valid_hmm : is_HMM (hmm P).
Hypothesis valid_start : law H (start P).

(** Every sequence of j tokens that the prompt law produces is possible under theta. *)
Definition allows (j : nat) : Prop := forall w, In w (words V j) -> 0 < p_prompt P w -> 0 < probability theta w.

Lemma sum_words_snoc j (F : list nat -> R) :
  Σ w ∈ words V (S j), F w = Σ u ∈ words V j, Σ o ∈ below V, F (u ++ [o]).
Proof.
  revert F. induction j as [| j IH]; intros F.
  - simpl. rewrite sum_flat_map, Rplus_0_r. apply sum_ext. intros o _. simpl. lra.
  - change (words V (S (S j))) with (flat_map (fun o => map (cons o) (words V (S j))) (below V)).
    change (words V (S j)) with (flat_map (fun o => map (cons o) (words V j)) (below V)) at 2.
    rewrite !sum_flat_map. apply sum_ext. intros o _. rewrite !sum_map. apply (IH (fun w => F (o :: w))).
Qed.

Lemma word_snoc j u o : In u (words V j) -> In o (below V) -> In (u ++ [o]) (words V (S j)).
Proof.
  intros I J. apply words_spec in I. destruct I as [L T]. apply words_spec. split.
  - rewrite app_length, L. simpl. lia.
  - apply tokens_app; auto. constructor; [now apply in_below | constructor].
Qed.

Lemma p_prompt_word_nonneg j w : In w (words V j) -> 0 <= p_prompt P w.
Proof. intros I. apply words_spec in I. destruct I. now apply p_prompt_nonneg. Qed.

Lemma probability_word_nonneg j w : In w (words V j) -> 0 <= probability theta w.
Proof. intros I. apply words_spec in I. destruct I. now apply probability_nonneg. Qed.

Lemma p_prompt_total u : Σ o ∈ below V, p_prompt P (u ++ [o]) = p_prompt P u.
Proof. now apply probability_from_next. Qed.

Lemma probability_total u : Σ o ∈ below V, probability theta (u ++ [o]) = probability theta u.
Proof. now apply probability_from_next. Qed.

Lemma allows_shorter j : allows (S j) -> allows j.
Proof.
  intros A u I Q. rewrite <- p_prompt_total in Q.
  destruct (sum_pos_inv _ _ Q) as (o & J & R). pose proof (word_snoc _ _ _ I J) as W. apply A in R; auto.
  rewrite <- probability_total. apply (sum_pos _ (fun o => probability theta (u ++ [o])) o); auto.
  intros y JY. apply (probability_word_nonneg (S j)). now apply word_snoc.
Qed.

Lemma KL_words_step j : allows (S j) -> KL_words j + KL (S j) = KL_words (S j).
Proof.
  intros A. unfold KL_words at 2. rewrite sum_words_snoc. unfold KL_words, KL.
  replace (S j - 1)%nat with j by lia. rewrite <- sum_plus. apply sum_ext. intros u I.
  pose proof (p_prompt_word_nonneg _ _ I) as [Q | Q].
  - pose proof (allows_shorter j A u I Q) as QT.
    rewrite <- p_prompt_total at 1. rewrite <- sum_scale_r, <- sum_scale, <- sum_plus. apply sum_ext. intros o J.
    pose proof (word_snoc _ _ _ I J) as W. unfold p_prompt_next, next.
    destruct (p_prompt_word_nonneg _ _ W) as [R | R].
    + pose proof (A _ W R) as RT.
      rewrite !ln_div by (auto; apply Rdiv_lt_0_compat; auto).
      field. lra.
    + rewrite <- R. unfold Rdiv. ring.
  - (* a prefix without mass has continuations without mass *)
    rewrite <- Q, !Rmult_0_l, Rplus_0_l. symmetry. apply sum_zero. intros o J.
    assert (Z : p_prompt P (u ++ [o]) = 0).
    { apply Rle_antisym; [| apply (p_prompt_word_nonneg (S j)); now apply word_snoc].
      rewrite Q, <- (p_prompt_total u). apply (sum_ge_term _ (fun o => p_prompt P (u ++ [o]))); auto.
      intros y JY. apply (p_prompt_word_nonneg (S j)). now apply word_snoc. }
    rewrite Z. ring.
Qed.

(** The chain rule: sum_{j=1..k} KL_j = KL( p_prompt(O) || p(O|theta) ). *)
Theorem chain_rule : allows k -> KL_sum = KL_words k.
Proof.
  unfold KL_sum. generalize k as j. induction j as [| j IH]; intros A.
  - unfold KL_words, p_prompt, probability, probability_from. simpl.
    rewrite (proj2 valid_start), (proj2 (proj1 valid)). replace (1 / 1) with 1 by field. rewrite ln_1. lra.
  - rewrite seq_S, sum_app, IH by now apply allows_shorter. simpl. rewrite Rplus_0_r. now apply KL_words_step.
Qed.

Lemma forbids_or_allows : forbids \/ allows k.
Proof.
  unfold forbids, possible_example, allows.
  assert (G : forall l : list (list nat), (forall w, In w l -> In w (words V k)) ->
    (exists O, (In O (words V k) /\ 0 < p_prompt P O) /\ probability theta O = 0)
    \/ (forall w, In w l -> 0 < p_prompt P w -> 0 < probability theta w)).
  { induction l as [| w l IH]; intros E; [right; simpl; tauto |].
    destruct IH as [B | A]; [intros; apply E; simpl; auto | now left |].
    destruct (Rlt_le_dec 0 (p_prompt P w)) as [Q | Q].
    - destruct (probability_word_nonneg _ _ (E w (or_introl eq_refl))) as [R | R].
      + right. intros v [<- | I]; auto.
      + left. exists w. repeat split; auto. apply E. simpl. auto.
    - right. intros v [<- | I]; [lra | auto]. }
  apply G. auto.
Qed.

End Information.

(** ** The repaired condition

    sum_j KL_j(theta) > KL( p_prompt(O) || p(O|theta_star) ) + log(c2/c1) + log(R/rho). *)
Definition repaired_condition {C H V} (m : MixtureOfHMMs C H V) (P : PromptLaw H V) (true c : nat)
  (c1 rho c2 R_theta : R) : Prop :=
  KL_sum_exceeds P (concept m c)
    (KL_words P (concept m true) (example_length P) + ln (c2 / c1) + ln (R_theta / rho)).

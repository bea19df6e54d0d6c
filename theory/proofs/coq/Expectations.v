(** * Powers with real exponents, and expectations over the examples of a prompt *)

From Coq Require Import Reals List Lia Lra Arith.
From IB Require Import Sums Models Forward.
Import ListNotations.
Open Scope R_scope.

(** ** Powers with real exponents; 0^s is 0 *)

Definition power (x s : R) : R := if Rlt_dec 0 x then Rpower x s else 0.

Lemma power_pos x s : 0 < x -> power x s = Rpower x s.
Proof. intros P. unfold power. destruct (Rlt_dec 0 x); [reflexivity | lra]. Qed.

Lemma power_0 s : power 0 s = 0.
Proof. unfold power. destruct (Rlt_dec 0 0); lra. Qed.

Lemma power_nonneg x s : 0 <= power x s.
Proof. unfold power. destruct (Rlt_dec 0 x); [| lra]. left. apply exp_pos. Qed.

Lemma power_gt_0 x s : 0 < x -> 0 < power x s.
Proof. intros P. rewrite power_pos by auto. apply exp_pos. Qed.

Lemma power_mult x y s : 0 <= x -> 0 <= y -> power (x * y) s = power x s * power y s.
Proof.
  intros [P | <-] [Q | <-]; rewrite ?Rmult_0_l, ?Rmult_0_r, ?power_0; try lra.
  rewrite !power_pos by (auto; now apply Rmult_lt_0_compat). symmetry. now apply Rpower_mult_distr.
Qed.

Lemma power_1 s : power 1 s = 1.
Proof. rewrite power_pos by lra. unfold Rpower. rewrite ln_1, Rmult_0_r. apply exp_0. Qed.

Lemma power_pow x n s : 0 <= x -> power (x ^ n) s = power x s ^ n.
Proof.
  intros N. induction n as [| n IH]; simpl; [apply power_1 |].
  rewrite power_mult by (auto; now apply pow_le). now rewrite IH.
Qed.

Lemma power_product {A} (l : list A) f s :
  (forall x, In x l -> 0 <= f x) -> power (product l f) s = Π x ∈ l, power (f x) s.
Proof.
  induction l as [| x l IH]; simpl; intros E; [apply power_1 |].
  rewrite power_mult by (auto; apply product_nonneg; auto). rewrite IH; auto.
Qed.

Lemma power_le x y s : 0 <= s -> 0 <= x <= y -> power x s <= power y s.
Proof.
  intros S [[P | <-] L]; [| rewrite power_0; apply power_nonneg].
  rewrite !power_pos by lra. now apply Rle_Rpower_l.
Qed.

Lemma ln_product {A} (l : list A) f : (forall x, In x l -> 0 < f x) -> ln (product l f) = Σ x ∈ l, ln (f x).
Proof.
  induction l as [| x l IH]; simpl; intros E; [apply ln_1 |].
  rewrite ln_mult by (auto; apply product_pos; auto). rewrite IH; auto.
Qed.

(** min(1, r) <= r^s for 0 <= s <= 1. *)
Lemma min_le_power v r s : 0 <= s <= 1 -> 0 <= r -> v <= 1 -> v <= r -> v <= power r s.
Proof.
  intros S [P | <-] L1 L2; [| now rewrite power_0].
  rewrite power_pos by auto. destruct (Rle_lt_dec 1 r) as [G | G].
  - apply Rle_trans with 1; auto. rewrite <- (Rpower_O r) by auto. apply Rle_Rpower; lra.
  - apply Rle_trans with r; auto. unfold Rpower. rewrite <- (exp_ln r) at 1 by auto.
    assert (ln r < 0) by (rewrite <- ln_1; apply ln_increasing; lra).
    destruct (Req_dec s 1) as [-> | NE]; [right; f_equal; lra |].
    left. apply exp_increasing. nra.
Qed.

(** ** Expectations over examples *)

Section Expectations.
Context {H V : nat} (P : PromptLaw H V).
Hypothesis valid_hmm : is_HMM (hmm P).
Hypothesis valid_start : law H (start P).
Notation k := (example_length P).

Lemma p_prompt_nonneg w : @tokens V w -> 0 <= p_prompt P w.
Proof. intros T. apply probability_from_nonneg; auto. apply valid_start. Qed.

(** [O] can occur as an example. *)
Definition possible_example (O : list nat) : Prop := In O (words V k) /\ 0 < p_prompt P O.

Lemma expect_example_le f g :
  (forall O, possible_example O -> f O <= g O) -> expect_example P f <= expect_example P g.
Proof.
  intros E. apply sum_le. intros O I. pose proof I as J. apply words_spec in J. destruct J as [_ T].
  destruct (p_prompt_nonneg O T) as [Q | <-]; [| lra].
  apply Rmult_le_compat_l; [lra |]. apply E. now split.
Qed.

Lemma expect_example_ext f g :
  (forall O, possible_example O -> f O = g O) -> expect_example P f = expect_example P g.
Proof. intros E. apply Rle_antisym; apply expect_example_le; intros O I; rewrite (E O I); lra. Qed.

Lemma expect_example_scale a f : expect_example P (fun O => a * f O) = a * expect_example P f.
Proof. unfold expect_example. rewrite <- (sum_scale a). apply sum_ext. intros O _. ring. Qed.

Lemma expect_example_sum {A} (l : list A) (f : A -> list nat -> R) :
  expect_example P (fun O => Σ c ∈ l, f c O) = Σ c ∈ l, expect_example P (f c).
Proof.
  unfold expect_example. rewrite <- sum_swap. apply sum_ext. intros O _. now rewrite sum_scale.
Qed.

Lemma expect_example_1 : expect_example P (fun _ => 1) = 1.
Proof.
  transitivity (Σ h ∈ below H, start P h); [| apply valid_start].
  rewrite <- (words_total (hmm P) (start P) k valid_hmm). apply sum_ext. intros. unfold p_prompt. ring.
Qed.

Lemma expect_examples_le n f g :
  (forall S, length S = n -> Forall possible_example S -> f S <= g S) ->
  expect_examples P n f <= expect_examples P n g.
Proof.
  revert f g. induction n as [| n IH]; simpl; intros f g E; [apply E; auto |].
  apply expect_example_le. intros O I. apply IH. intros S L F. apply E; [simpl; lia | now constructor].
Qed.

Lemma expect_examples_scale n a f : expect_examples P n (fun S => a * f S) = a * expect_examples P n f.
Proof.
  revert f. induction n as [| n IH]; simpl; intros f; [reflexivity |].
  rewrite <- expect_example_scale. apply expect_example_ext. intros O _. apply (IH (fun S => f (O :: S))).
Qed.

Lemma expect_examples_sum {A} n (l : list A) (f : A -> list (list nat) -> R) :
  expect_examples P n (fun S => Σ c ∈ l, f c S) = Σ c ∈ l, expect_examples P n (f c).
Proof.
  revert f. induction n as [| n IH]; simpl; intros f; [reflexivity |].
  rewrite <- expect_example_sum. apply expect_example_ext. intros O _. apply (IH (fun c S => f c (O :: S))).
Qed.

(** Independence: the expectation of a product over the examples is a power. *)
Lemma expect_examples_product n f :
  expect_examples P n (fun S => Π O ∈ S, f O) = expect_example P f ^ n.
Proof.
  induction n as [| n IH]; simpl; [reflexivity |].
  rewrite (expect_example_ext _ (fun O => expect_example P f ^ n * f O)).
  - rewrite expect_example_scale. ring.
  - intros O _. etransitivity; [apply (expect_examples_scale n (f O) (fun S => Π O ∈ S, f O)) |].
    rewrite IH. ring.
Qed.

Lemma expect_examples_1 n : expect_examples P n (fun _ => 1) = 1.
Proof.
  induction n as [| n IH]; simpl; [reflexivity |].
  rewrite (expect_example_ext _ (fun _ => 1)) by (intros; apply IH). apply expect_example_1.
Qed.

(** Sums and constants. *)
Lemma expect_example_plus f g :
  expect_example P (fun O => f O + g O) = expect_example P f + expect_example P g.
Proof. unfold expect_example. rewrite <- sum_plus. apply sum_ext. intros w _. ring. Qed.

Lemma expect_example_const a : expect_example P (fun _ => a) = a.
Proof.
  transitivity (expect_example P (fun _ => a * 1)).
  - apply expect_example_ext. intros. ring.
  - rewrite expect_example_scale, expect_example_1. ring.
Qed.

Lemma expect_examples_ext n f g :
  (forall S, length S = n -> Forall possible_example S -> f S = g S) ->
  expect_examples P n f = expect_examples P n g.
Proof. intros E. apply Rle_antisym; apply expect_examples_le; intros S L F; rewrite (E S L F); lra. Qed.

Lemma expect_examples_plus n f g :
  expect_examples P n (fun S => f S + g S) = expect_examples P n f + expect_examples P n g.
Proof.
  revert f g. induction n as [| n IH]; simpl; intros f g; [reflexivity |].
  rewrite <- expect_example_plus. apply expect_example_ext. intros O _. apply IH.
Qed.

Lemma expect_examples_const n a : expect_examples P n (fun _ => a) = a.
Proof.
  induction n as [| n IH]; simpl; [reflexivity |].
  rewrite (expect_example_ext _ (fun _ => a)) by (intros; apply IH). apply expect_example_const.
Qed.

(** The expectation of a sum over n examples is n times that of one. *)
Lemma expect_examples_total n f : expect_examples P n (fun S => Σ O ∈ S, f O) = INR n * expect_example P f.
Proof.
  induction n as [| n IH]; [simpl; ring |].
  change (expect_examples P (S n) (fun S => Σ O ∈ S, f O))
    with (expect_example P (fun O => expect_examples P n (fun S => f O + Σ O ∈ S, f O))).
  rewrite (expect_example_ext _ (fun O => f O + INR n * expect_example P f)).
  - rewrite expect_example_plus, expect_example_const, S_INR. ring.
  - intros O _. rewrite expect_examples_plus, expect_examples_const, IH. reflexivity.
Qed.

End Expectations.

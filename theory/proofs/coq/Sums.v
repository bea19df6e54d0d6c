(** * Finite sums over lists, and the few facts about them that the proofs use.

    [Σ x ∈ l, e] is the sum of [e] over the entries [x] of the list [l]; [below n] is the list 0, 1, ..., n-1. *)

From Coq Require Import Reals List Lia Lra Arith.
Import ListNotations.
Open Scope R_scope.

Fixpoint sum {A : Type} (l : list A) (f : A -> R) : R :=
  match l with
  | [] => 0
  | x :: rest => f x + sum rest f
  end.

Notation "'Σ' x ∈ l , e" := (sum l (fun x => e))
  (at level 41, x name, l at level 35, e at level 41, right associativity).

Fixpoint product {A : Type} (l : list A) (f : A -> R) : R :=
  match l with
  | [] => 1
  | x :: rest => f x * product rest f
  end.

Notation "'Π' x ∈ l , e" := (product l (fun x => e))
  (at level 41, x name, l at level 35, e at level 41, right associativity).

Definition below (n : nat) : list nat := seq 0 n.

Lemma in_below n i : In i (below n) <-> (i < n)%nat.
Proof. unfold below. rewrite in_seq. lia. Qed.

Section Facts.
Context {A : Type}.
Implicit Types (l : list A) (f g : A -> R).

Lemma sum_ext l f g : (forall x, In x l -> f x = g x) -> sum l f = sum l g.
Proof.
  induction l as [| x l IH]; simpl; intros E; [reflexivity |].
  rewrite (E x), IH; auto.
Qed.

Lemma sum_le l f g : (forall x, In x l -> f x <= g x) -> sum l f <= sum l g.
Proof.
  induction l as [| x l IH]; simpl; intros E; [lra |].
  apply Rplus_le_compat; auto.
Qed.

Lemma sum_nonneg l f : (forall x, In x l -> 0 <= f x) -> 0 <= sum l f.
Proof.
  induction l as [| x l IH]; simpl; intros E; [lra |].
  apply Rplus_le_le_0_compat; auto.
Qed.

Lemma sum_zero l f : (forall x, In x l -> f x = 0) -> sum l f = 0.
Proof.
  induction l as [| x l IH]; simpl; intros E; [reflexivity |].
  rewrite (E x), IH; auto; lra.
Qed.

Lemma sum_plus l f g : Σ x ∈ l, (f x + g x) = sum l f + sum l g.
Proof. induction l as [| x l IH]; simpl; lra. Qed.

Lemma sum_minus l f g : Σ x ∈ l, (f x - g x) = sum l f - sum l g.
Proof. induction l as [| x l IH]; simpl; lra. Qed.

Lemma sum_scale c l f : Σ x ∈ l, c * f x = c * sum l f.
Proof. induction l as [| x l IH]; simpl; lra. Qed.

Lemma sum_scale_r c l f : Σ x ∈ l, f x * c = sum l f * c.
Proof. induction l as [| x l IH]; simpl; lra. Qed.

Lemma sum_const c l : Σ x ∈ l, c = INR (length l) * c.
Proof.
  induction l as [| x l IH]; [simpl; lra |].
  change (sum (x :: l) (fun _ => c)) with (c + sum l (fun _ => c)).
  change (length (x :: l)) with (S (length l)). rewrite IH, S_INR. lra.
Qed.

Lemma sum_app l l' f : sum (l ++ l') f = sum l f + sum l' f.
Proof. induction l as [| x l IH]; simpl; lra. Qed.

Lemma sum_ge_term l f x : (forall y, In y l -> 0 <= f y) -> In x l -> f x <= sum l f.
Proof.
  induction l as [| y l IH]; simpl; intros P I; [tauto |].
  destruct I as [-> | I].
  - assert (0 <= sum l f) by (apply sum_nonneg; auto). lra.
  - assert (f x <= sum l f) by (apply IH; auto). assert (0 <= f y) by auto. lra.
Qed.

Lemma sum_pos l f x : (forall y, In y l -> 0 <= f y) -> In x l -> 0 < f x -> 0 < sum l f.
Proof. intros P I Q. pose proof (sum_ge_term l f x P I). lra. Qed.

Lemma sum_pos_inv l f : 0 < sum l f -> exists x, In x l /\ 0 < f x.
Proof.
  induction l as [| x l IH]; simpl; intros P; [lra |].
  destruct (Rlt_le_dec 0 (f x)) as [Q | Q]; [exists x; auto |].
  destruct IH as (y & I & Q'); [lra | exists y; auto].
Qed.

Lemma sum_filter (keep : A -> bool) l f :
  Σ x ∈ l, (if keep x then f x else 0) = sum (filter keep l) f.
Proof.
  induction l as [| x l IH]; simpl; [reflexivity |].
  destruct (keep x); simpl; lra.
Qed.

Lemma sum_Rabs l f : Rabs (sum l f) <= Σ x ∈ l, Rabs (f x).
Proof.
  induction l as [| x l IH]; simpl; [rewrite Rabs_R0; lra |].
  pose proof (Rabs_triang (f x) (sum l f)). lra.
Qed.

Lemma product_pos l f : (forall x, In x l -> 0 < f x) -> 0 < product l f.
Proof.
  induction l as [| x l IH]; simpl; intros E; [lra |].
  apply Rmult_lt_0_compat; auto.
Qed.

Lemma product_nonneg l f : (forall x, In x l -> 0 <= f x) -> 0 <= product l f.
Proof.
  induction l as [| x l IH]; simpl; intros E; [lra |].
  apply Rmult_le_pos; auto.
Qed.

Lemma product_app l l' f : product (l ++ l') f = product l f * product l' f.
Proof. induction l as [| x l IH]; simpl; [lra | rewrite IH; lra]. Qed.

Lemma product_div l f g :
  (forall x, In x l -> g x <> 0) -> Π x ∈ l, (f x / g x) = product l f / product l g.
Proof.
  induction l as [| x l IH]; simpl; intros E; [field |].
  rewrite IH by auto. field.
  split; [| apply E; auto].
  clear IH. induction l as [| y l IH]; simpl; [lra |].
  apply Rmult_integral_contrapositive_currified; [apply E; simpl; auto |].
  apply IH. intros z [-> | I]; apply E; simpl; auto.
Qed.

End Facts.

Lemma sum_map {A B} (g : A -> B) l (f : B -> R) : sum (map g l) f = Σ x ∈ l, f (g x).
Proof. induction l as [| x l IH]; simpl; [reflexivity | rewrite IH; reflexivity]. Qed.

Lemma sum_flat_map {A B} (g : A -> list B) l (f : B -> R) :
  sum (flat_map g l) f = Σ x ∈ l, sum (g x) f.
Proof. induction l as [| x l IH]; simpl; [reflexivity | rewrite sum_app, IH; reflexivity]. Qed.

Lemma sum_swap {A B} (l : list A) (l' : list B) (f : A -> B -> R) :
  Σ x ∈ l, Σ y ∈ l', f x y = Σ y ∈ l', Σ x ∈ l, f x y.
Proof.
  induction l as [| x l IH]; simpl.
  - symmetry. apply sum_zero. reflexivity.
  - rewrite IH, <- sum_plus. reflexivity.
Qed.

(** * Instances given by tables: reading an entry, and checking finitely many cases by computation *)

From Coq Require Import Reals List Lia Lra Arith.
From IB Require Import Sums Models Forward.
Import ListNotations.
Open Scope R_scope.

Definition vector (l : list R) : nat -> R := fun i => nth i l 0.
Definition matrix (rows : list (list R)) : nat -> nat -> R := fun i => vector (nth i rows []).

(** A claim about all numbers below n is n claims. *)
Lemma each n (Q : nat -> Prop) : Forall Q (seq 0 n) -> forall i, (i < n)%nat -> Q i.
Proof. rewrite Forall_forall. intros F i L. apply F, in_seq. lia. Qed.

Lemma each_in {A} (l : list A) (Q : A -> Prop) : Forall Q l -> forall x, In x l -> Q x.
Proof. apply Forall_forall. Qed.

Ltac every := refine (each _ _ _); cbn [seq]; repeat apply Forall_cons; try apply Forall_nil.
Ltac every_word := refine (each_in _ _ _); cbn [words flat_map map app below seq Nat.sub];
  repeat apply Forall_cons; try apply Forall_nil.

(** With identity emission the states are the tokens. *)
Definition identity_emission {H V} (theta : HMM H V) : Prop :=
  H = V /\ forall h o, (h < H)%nat -> emission theta h o = if (h =? o)%nat then 1 else 0.

Lemma pick n f o : (o < n)%nat -> Σ h ∈ below n, f h * (if (h =? o)%nat then 1 else 0) = f o.
Proof.
  intros L. unfold below.
  assert (G : forall m s, (s <= o < s + m)%nat -> Σ h ∈ seq s m, f h * (if (h =? o)%nat then 1 else 0) = f o).
  { induction m as [| m IH]; intros s B; [lia |]. simpl. destruct (Nat.eqb_spec s o) as [-> | NE].
    - rewrite sum_zero; [ring |]. intros h I. apply in_seq in I. destruct (Nat.eqb_spec h o); [lia | ring].
    - rewrite IH by lia. ring. }
  apply G. lia.
Qed.

Lemma identity_cons {H V} (theta : HMM H V) a o w :
  identity_emission theta -> (o < H)%nat ->
  probability_from theta a (o :: w) = a o * probability_from theta (transition theta o) w.
Proof.
  intros [_ E] L. rewrite <- probability_from_scale.
  change (probability_from theta a (o :: w)) with (probability_from theta (step theta a o) w).
  apply probability_from_ext. intros i _. unfold step.
  rewrite (sum_ext _ _ (fun h => (a h * transition theta h i) * (if (h =? o)%nat then 1 else 0))).
  - now apply (pick H (fun h => a h * transition theta h i)).
  - intros h I. apply in_below in I. rewrite E by auto. ring.
Qed.

Lemma identity_one {H V} (theta : HMM H V) a o :
  identity_emission theta -> is_HMM theta -> (o < H)%nat -> probability_from theta a [o] = a o.
Proof.
  intros E valid L. rewrite identity_cons by auto. unfold probability_from. simpl.
  rewrite (transition_total theta valid) by auto. ring.
Qed.

Lemma identity_two {H V} (theta : HMM H V) a o o' :
  identity_emission theta -> is_HMM theta -> (o < H)%nat -> (o' < H)%nat ->
  probability_from theta a [o; o'] = a o * transition theta o o'.
Proof. intros E valid L L'. rewrite identity_cons, identity_one by auto. ring. Qed.

Lemma identity_three {H V} (theta : HMM H V) a o o' o'' :
  identity_emission theta -> is_HMM theta -> (o < H)%nat -> (o' < H)%nat -> (o'' < H)%nat ->
  probability_from theta a [o; o'; o''] = a o * (transition theta o o' * transition theta o' o'').
Proof. intros E valid L L' L''. rewrite identity_cons, identity_two by auto. ring. Qed.

(** With deterministic emission a state h emits [token_of h]; the states that emit o are [emitters o]. *)
Section Deterministic.
Context {H V : nat} (theta : HMM H V) (token_of : nat -> nat).
Definition deterministic : Prop :=
  forall h o, (h < H)%nat -> emission theta h o = if (token_of h =? o)%nat then 1 else 0.
Definition emitters (o : nat) : list nat := filter (fun h => (token_of h =? o)%nat) (below H).
Hypothesis known : deterministic.
Hypothesis valid : is_HMM theta.

Lemma deterministic_cons a o w :
  probability_from theta a (o :: w) = Σ h ∈ emitters o, a h * probability_from theta (transition theta h) w.
Proof.
  rewrite <- probability_from_mixture.
  change (probability_from theta a (o :: w)) with (probability_from theta (step theta a o) w).
  apply probability_from_ext. intros i _. unfold step, emitters. rewrite <- sum_filter.
  apply sum_ext. intros h I. apply in_below in I. rewrite known by auto. destruct (token_of h =? o)%nat; ring.
Qed.

Lemma deterministic_one a o : probability_from theta a [o] = Σ h ∈ emitters o, a h.
Proof.
  rewrite deterministic_cons. apply sum_ext. intros h I. apply filter_In in I. destruct I as [I _].
  apply in_below in I. unfold probability_from. simpl. rewrite (transition_total theta valid) by auto. ring.
Qed.

Lemma deterministic_two a o o' :
  probability_from theta a [o; o'] = Σ h ∈ emitters o, a h * Σ h' ∈ emitters o', transition theta h h'.
Proof. rewrite deterministic_cons. apply sum_ext. intros h _. now rewrite deterministic_one. Qed.

Lemma deterministic_three a o o' o'' :
  probability_from theta a [o; o'; o'']
  = Σ h ∈ emitters o, a h * Σ h' ∈ emitters o', transition theta h h' * Σ h'' ∈ emitters o'', transition theta h' h''.
Proof. rewrite deterministic_cons. apply sum_ext. intros h _. now rewrite deterministic_two. Qed.

End Deterministic.

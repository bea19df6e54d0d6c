(** * The best constants: c1, c2, c5, c6, R_theta and rho_star as the maxima and minima that the paper and theory define

    The theorems ask only for numbers that bound ([star_constants], [other_constants]); the smaller c2 and R_theta and
    the larger c1, c5, c6 and rho, the weaker the condition. Here the extreme ones are shown to qualify. *)

From Coq Require Import Reals List Lia Lra Arith.
From IB Require Import Sums Models Forward.
Import ListNotations.
Open Scope R_scope.

Section Extremes.
Context {A : Type}.

(** The largest of nonnegative values, and the smallest of values that are at most [top]. *)
Definition maximum (l : list A) (f : A -> R) : R := fold_right (fun x r => Rmax (f x) r) 0 l.
Definition minimum (top : R) (l : list A) (f : A -> R) : R := fold_right (fun x r => Rmin (f x) r) top l.

Lemma maximum_bound l f x : In x l -> f x <= maximum l f.
Proof.
  induction l as [| y l IH]; simpl; [tauto |]. intros [-> | I]; [apply Rmax_l |].
  eapply Rle_trans; [now apply IH | apply Rmax_r].
Qed.

Lemma maximum_attained l f : 0 < maximum l f -> exists x, In x l /\ f x = maximum l f.
Proof.
  induction l as [| y l IH]; simpl; [lra |]. intros P. unfold Rmax in *.
  destruct (Rle_dec (f y) (maximum l f)) as [G | G]; [| now exists y; auto].
  destruct (IH P) as (x & I & E). now exists x; auto.
Qed.

Lemma minimum_bound top l f x : In x l -> minimum top l f <= f x.
Proof.
  induction l as [| y l IH]; simpl; [tauto |]. intros [-> | I]; [apply Rmin_l |].
  eapply Rle_trans; [apply Rmin_r | now apply IH].
Qed.

Lemma minimum_pos top l f : 0 < top -> (forall x, In x l -> 0 < f x) -> 0 < minimum top l f.
Proof.
  intros T. induction l as [| y l IH]; simpl; intros F; [exact T |].
  apply Rmin_glb_lt; [apply F; auto | apply IH; auto].
Qed.

End Extremes.

Section BestConstants.
Context {C H V : nat} (m : MixtureOfHMMs C H V) (theta : HMM H V).
Notation D := (delimiter_states m).

(** sum_d p(h|d) / p(h). *)
Definition start_ratio (h : nat) : R := (Σ d ∈ D, transition theta d h) / initial theta h.

Definition best_c1 : R := minimum 1 (below H) (fun h => minimum 1 D (fun d => transition theta h d)).
Definition best_c2 : R := maximum (below H) (fun h => maximum D (fun d => transition theta h d)).
Definition best_c5 : R := minimum 1 (below H) (fun h => minimum 1 (below H) (fun h' => transition theta h h')).
Definition best_c6 : R := minimum 1 (below V) (fun o => maximum (below H) (fun h => emission theta h o)).
Definition best_R : R := maximum (below H) start_ratio.
Definition best_rho : R := minimum (INR (length D)) (below H) start_ratio.

Hypothesis valid : is_HMM theta.
Hypothesis starts_everywhere : forall h, (h < H)%nat -> 0 < initial theta h.

Lemma D_in_range d : In d D -> (d < H)%nat.
Proof. intros I. apply filter_In in I. now apply in_below. Qed.

Lemma ratio_times_start h : (h < H)%nat -> start_ratio h * initial theta h = Σ d ∈ D, transition theta d h.
Proof. intros L. unfold start_ratio. field. apply Rgt_not_eq. exact (starts_everywhere h L). Qed.

Theorem best_other_constants h d :
  (h < H)%nat -> In d D -> 0 < transition theta h d -> other_constants m theta best_c2 best_R.
Proof.
  intros L I P. pose proof (D_in_range d I) as Ld.
  assert (BC : forall h d, (h < H)%nat -> In d D -> transition theta h d <= best_c2).
  { intros i j Li Ij. eapply Rle_trans; [apply (maximum_bound D (fun d => transition theta i d)); exact Ij |].
    apply (maximum_bound (below H) (fun h => maximum D (fun d => transition theta h d))). now apply in_below. }
  assert (BR : forall h, (h < H)%nat -> Σ d ∈ D, transition theta d h <= best_R * initial theta h).
  { intros i Li. rewrite <- ratio_times_start by auto. apply Rmult_le_compat_r; [left; auto |].
    apply maximum_bound. now apply in_below. }
  constructor; auto.
  - specialize (BC h d L I). lra.
  - (* a row of D sums to 1, so it reaches some state *)
    destruct (sum_pos_inv (below H) (transition theta d)) as (i & Ii & Pi).
    { change (sum (below H) (transition theta d)) with (Σ h' ∈ below H, transition theta d h').
      rewrite (transition_total theta valid d Ld). lra. }
    apply in_below in Ii. specialize (BR i Ii).
    assert (Q : 0 < Σ d ∈ D, transition theta d i).
    { apply (sum_pos D (fun d => transition theta d i) d); auto. intros j J. apply transition_nonneg; auto.
      now apply D_in_range. }
    pose proof (starts_everywhere i Ii). apply Rnot_le_lt. intros N.
    assert (best_R * initial theta i <= 0) by nra. lra.
Qed.

Theorem best_star_constants :
  D <> [] ->
  (forall h h', (h < H)%nat -> (h' < H)%nat -> 0 < transition theta h h') ->
  (forall o, (o < V)%nat -> exists h, (h < H)%nat /\ 0 < emission theta h o) ->
  star_constants m theta best_c1 best_c5 best_c6 best_rho.
Proof.
  intros ND POS EM.
  assert (ME : forall o, In o (below V) -> 0 < maximum (below H) (fun h => emission theta h o)).
  { intros o I. apply in_below in I. destruct (EM o I) as (h & L & P). eapply Rlt_le_trans; [exact P |].
    apply (maximum_bound (below H) (fun h => emission theta h o)). now apply in_below. }
  assert (SR : forall h, In h (below H) -> 0 < start_ratio h).
  { intros h I. apply in_below in I. apply Rdiv_lt_0_compat; auto.
    destruct D as [| d l] eqn:E; [now contradiction ND |].
    assert (B : forall i, In i (d :: l) -> (i < H)%nat) by (rewrite <- E; apply D_in_range).
    apply (sum_pos (d :: l) (fun d => transition theta d h) d).
    - intros y J. left. apply POS; auto.
    - simpl. auto.
    - apply POS; auto. apply B. simpl. auto. }
  constructor.
  - apply minimum_pos; [lra |]. intros h I. apply minimum_pos; [lra |]. intros d J.
    apply POS; [now apply in_below | now apply D_in_range].
  - intros h d L I. eapply Rle_trans;
      [apply (minimum_bound 1 (below H) (fun h => minimum 1 D (fun d => transition theta h d)) h); now apply in_below |].
    now apply (minimum_bound 1 D (fun d => transition theta h d)).
  - apply minimum_pos; [lra |]. intros h I. apply minimum_pos; [lra |]. intros h' J. apply POS; now apply in_below.
  - intros h h' L L'. eapply Rle_trans; [apply (minimum_bound 1 (below H)
      (fun h => minimum 1 (below H) (fun h' => transition theta h h')) h); now apply in_below |].
    apply (minimum_bound 1 (below H) (fun h' => transition theta h h')). now apply in_below.
  - apply minimum_pos; [lra | exact ME].
  - intros o L. apply in_below in L. destruct (maximum_attained _ _ (ME o L)) as (h & I & E).
    exists h. split; [now apply in_below |]. rewrite E.
    now apply (minimum_bound 1 (below V) (fun o => maximum (below H) (fun h => emission theta h o))).
  - apply minimum_pos; [| exact SR]. apply lt_0_INR. destruct D; [now contradiction ND | simpl; lia].
  - intros h L. rewrite <- ratio_times_start by auto. apply Rmult_le_compat_r; [left; auto |].
    apply minimum_bound. now apply in_below.
Qed.

End BestConstants.

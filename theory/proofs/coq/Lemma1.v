(** * Lemma 1, repaired

    The answer after a delimiter is the answer of the prompt law, as soon as the *posteriors of the start state given
    x* are closer in total variation than half the margin Δ(x). (The printed lemma compares the start laws themselves,
    before x is seen, with Δ(x)/4: that does not suffice, see Lemma1Counterexample.) *)

From Coq Require Import Reals List Lia Lra Arith.
From IB Require Import Sums Models Forward.
Import ListNotations.
Open Scope R_scope.

(** Total variation of two laws on H states. *)
Definition TV (H : nat) (p q : nat -> R) : R := / 2 * Σ h ∈ below H, Rabs (p h - q h).

(** y leads every other token by delta at least: y is the argmax, and Δ, top-1 minus top-2, is delta or more. *)
Definition leads (V : nat) (p : nat -> R) (y : nat) (delta : R) : Prop :=
  (y < V)%nat /\ forall y', (y' < V)%nat -> y' <> y -> p y' + delta <= p y.

(** y is an argmax. *)
Definition is_argmax (V : nat) (p : nat -> R) (y : nat) : Prop :=
  (y < V)%nat /\ forall y', (y' < V)%nat -> p y' <= p y.

(** The first argmax, as a function. *)
Fixpoint argmax (V : nat) (p : nat -> R) : nat :=
  match V with
  | 0%nat => 0%nat
  | S y => if Rlt_dec (p (argmax y p)) (p y) then y else argmax y p
  end.

Lemma argmax_is_argmax V p : (0 < V)%nat -> is_argmax V p (argmax V p).
Proof.
  destruct V as [| n]; [lia | intros _]. induction n as [| n IH].
  - simpl. destruct Rlt_dec; (split; [lia | intros y L; replace y with 0%nat by lia; lra]).
  - destruct IH as [L A]. change (argmax (S (S n)) p) with
      (if Rlt_dec (p (argmax (S n) p)) (p (S n)) then S n else argmax (S n) p).
    destruct Rlt_dec as [G | G]; (split; [lia |]); intros y Ly;
      (destruct (Nat.eq_dec y (S n)) as [-> | NE]; [lra |]); specialize (A y ltac:(lia)); lra.
Qed.

Section Lemma1.
Context {H V : nat} (theta : HMM H V).

(** The law that is certain of state h. *)
Definition certain (h : nat) : nat -> R := fun i => if (i =? h)%nat then 1 else 0.

(** p(x | first state h), p(h | x) and p(y | x) when the first state has law [a]. *)
Definition likelihood (x : list nat) (h : nat) : R := probability_from theta (certain h) x.
Definition start_posterior (a : nat -> R) (x : list nat) (h : nat) : R :=
  a h * likelihood x h / probability_from theta a x.
Definition next_from (a : nat -> R) (x : list nat) (y : nat) : R :=
  probability_from theta a (x ++ [y]) / probability_from theta a x.

Lemma by_first_state a w : probability_from theta a w = Σ h ∈ below H, a h * likelihood w h.
Proof.
  unfold likelihood. rewrite <- (probability_from_mixture theta (below H) a certain).
  apply probability_from_ext. intros i L. unfold certain.
  assert (G : forall n s, (s <= i < s + n)%nat -> Σ h ∈ seq s n, a h * (if (i =? h)%nat then 1 else 0) = a i).
  { induction n as [| n IH]; intros s B; [lia |]. simpl. destruct (Nat.eqb_spec i s) as [-> | NE].
    - rewrite sum_zero; [ring |]. intros h I. apply in_seq in I. destruct (Nat.eqb_spec s h); [lia | ring].
    - rewrite IH by lia. ring. }
  symmetry. apply G. lia.
Qed.

Hypothesis valid : is_HMM theta.

Lemma certain_nonneg h i : 0 <= certain h i.
Proof. unfold certain. destruct (i =? h)%nat; lra. Qed.

Lemma likelihood_nonneg x h : @tokens V x -> 0 <= likelihood x h.
Proof. intros T. apply probability_from_nonneg; auto. intros. apply certain_nonneg. Qed.

Lemma token_snoc x y : @tokens V x -> (y < V)%nat -> @tokens V (x ++ [y]).
Proof. intros. apply tokens_app; auto. now repeat constructor. Qed.

Lemma likelihood_snoc_le x h y : @tokens V x -> (y < V)%nat -> likelihood (x ++ [y]) h <= likelihood x h.
Proof.
  intros T L. unfold likelihood. rewrite <- (probability_from_next theta valid (certain h) x).
  apply (sum_ge_term _ (fun o => probability_from theta (certain h) (x ++ [o]))); [| now apply in_below].
  intros o I. apply in_below in I. now apply likelihood_nonneg, token_snoc.
Qed.

(** p(y|x) is the mean of p(y|x,h) over the posterior of the first state; leads differ by at most 2 TV. *)
Lemma leads_differ a b x y y' :
  @tokens V x -> (y < V)%nat -> (y' < V)%nat ->
  0 < probability_from theta a x -> 0 < probability_from theta b x ->
  next_from a x y - next_from a x y' - (next_from b x y - next_from b x y')
  <= 2 * TV H (start_posterior a x) (start_posterior b x).
Proof.
  intros T L L' PA PB. unfold TV. rewrite <- Rmult_assoc, Rinv_r, Rmult_1_l by lra.
  unfold next_from. rewrite !(by_first_state _ (x ++ _)).
  unfold Rdiv at 1 2 3 4. rewrite <- !sum_scale_r, <- !sum_minus. apply sum_le. intros h I.
  set (pa := probability_from theta a x) in *. set (pb := probability_from theta b x) in *.
  unfold start_posterior. fold pa pb.
  pose proof (likelihood_nonneg x h T) as N.
  pose proof (likelihood_nonneg (x ++ [y]) h (token_snoc x y T L)) as Ny.
  pose proof (likelihood_nonneg (x ++ [y']) h (token_snoc x y' T L')) as Ny'.
  pose proof (likelihood_snoc_le x h y T L) as Ly. pose proof (likelihood_snoc_le x h y' T L') as Ly'.
  replace (a h * likelihood (x ++ [y]) h * / pa - a h * likelihood (x ++ [y']) h * / pa
           - (b h * likelihood (x ++ [y]) h * / pb - b h * likelihood (x ++ [y']) h * / pb))
    with ((a h / pa - b h / pb) * (likelihood (x ++ [y]) h - likelihood (x ++ [y']) h)) by (field; lra).
  replace (a h * likelihood x h / pa - b h * likelihood x h / pb)
    with ((a h / pa - b h / pb) * likelihood x h) by (field; lra).
  eapply Rle_trans; [apply Rle_abs |]. rewrite !Rabs_mult. apply Rmult_le_compat_l; [apply Rabs_pos |].
  rewrite (Rabs_pos_eq (likelihood x h)) by auto. apply Rabs_le. lra.
Qed.

(** Repaired Lemma 1, by the posteriors. What is left of the margin is at least Δ(x) - 2 TV > 0. *)
Theorem lemma_1_by_posterior a b x y delta :
  @tokens V x -> 0 < probability_from theta a x -> 0 < probability_from theta b x ->
  leads V (next_from a x) y delta ->
  leads V (next_from b x) y (delta - 2 * TV H (start_posterior a x) (start_posterior b x)).
Proof.
  intros T PA PB [L LEAD]. split; auto. intros y' L' NE.
  pose proof (leads_differ a b x y y' T L L' PA PB). specialize (LEAD y' L' NE). lra.
Qed.

End Lemma1.

(** ** The second form: from the start laws, with what normalising by p(x) costs *)

Lemma TV_positive_part H p q :
  Σ h ∈ below H, p h = Σ h ∈ below H, q h -> TV H p q = Σ h ∈ below H, Rmax (p h - q h) 0.
Proof.
  intros E. unfold TV. apply Rmult_eq_reg_l with 2; [| lra]. rewrite <- Rmult_assoc, Rinv_r, Rmult_1_l by lra.
  rewrite <- sum_scale. apply Rminus_diag_uniq. rewrite <- sum_minus.
  rewrite (sum_ext _ _ (fun h => q h - p h)).
  - rewrite sum_minus. change (sum (below H) p = sum (below H) q) in E. lra.
  - intros h _. unfold Rmax, Rabs. destruct (Rle_dec (p h - q h) 0), (Rcase_abs (p h - q h)); lra.
Qed.

Lemma TV_sym H p q : TV H p q = TV H q p.
Proof. unfold TV. f_equal. apply sum_ext. intros. apply Rabs_minus_sym. Qed.

Lemma TV_nonneg H p q : 0 <= TV H p q.
Proof. apply Rmult_le_pos; [lra |]. apply sum_nonneg. intros. apply Rabs_pos. Qed.

Section ByStart.
Context {H V : nat} (theta : HMM H V).
Hypothesis valid : is_HMM theta.

Lemma start_posterior_total a x :
  0 < probability_from theta a x -> Σ h ∈ below H, start_posterior theta a x h = 1.
Proof.
  intros P. unfold start_posterior, Rdiv. rewrite sum_scale_r, <- by_first_state. field. lra.
Qed.

Lemma posterior_TV_one_side a b x top :
  @tokens V x -> law H a -> law H b -> 0 < probability_from theta a x -> 0 < probability_from theta b x ->
  (forall h, (h < H)%nat -> likelihood theta x h <= top) ->
  probability_from theta b x <= probability_from theta a x ->
  TV H (start_posterior theta a x) (start_posterior theta b x) <= top * TV H a b / probability_from theta a x.
Proof.
  intros T LA LB PA PB TOP G. rewrite !TV_positive_part.
  - unfold Rdiv. rewrite <- sum_scale, <- sum_scale_r. apply sum_le. intros h I. apply in_below in I.
    unfold start_posterior. pose proof (likelihood_nonneg theta valid x h T) as N. specialize (TOP h I).
    pose proof (proj1 LB h I) as NB.
    set (pa := probability_from theta a x) in *. set (pb := probability_from theta b x) in *.
    set (l := likelihood theta x h) in *.
    assert (IV : / pa <= / pb) by now apply Rinv_le_contravar.
    assert (IA : 0 < / pa) by now apply Rinv_0_lt_compat.
    unfold Rmax at 1. destruct (Rle_dec (a h * l / pa - b h * l / pb) 0) as [Q | Q].
    + apply Rmult_le_pos; [| lra]. apply Rmult_le_pos; [lra | apply Rmax_r].
    + apply Rle_trans with ((a h - b h) * l * / pa).
      * assert (0 <= b h * l * (/ pb - / pa)) by (apply Rmult_le_pos; [now apply Rmult_le_pos | lra]).
        unfold Rdiv. lra.
      * apply Rmult_le_compat_r; [lra |]. rewrite (Rmult_comm top).
        apply Rle_trans with (Rmax (a h - b h) 0 * l).
        -- apply Rmult_le_compat_r; [auto | apply Rmax_l].
        -- apply Rmult_le_compat_l; [apply Rmax_r | auto].
  - rewrite (proj2 LA), (proj2 LB). reflexivity.
  - rewrite !start_posterior_total; auto.
Qed.

(** TV of the posteriors <= max_h p(x|h) TV of the start laws / p_a(x). *)
Lemma posterior_TV a b x top :
  @tokens V x -> law H a -> law H b -> 0 < probability_from theta a x -> 0 < probability_from theta b x ->
  0 <= top -> (forall h, (h < H)%nat -> likelihood theta x h <= top) ->
  TV H (start_posterior theta a x) (start_posterior theta b x) <= top * TV H a b / probability_from theta a x.
Proof.
  intros T LA LB PA PB NT TOP.
  destruct (Rle_lt_dec (probability_from theta b x) (probability_from theta a x)) as [G | G].
  - now apply posterior_TV_one_side.
  - rewrite TV_sym. eapply Rle_trans; [apply posterior_TV_one_side with (top := top); auto; lra |].
    rewrite (TV_sym H b a). apply Rmult_le_compat_l.
    + apply Rmult_le_pos; [auto | apply TV_nonneg].
    + apply Rinv_le_contravar; lra.
Qed.

(** Repaired Lemma 1, by the start laws: TV < Δ(x) p_prompt(x) / (2 max_h p(x|h)). *)
Theorem lemma_1_by_start a b x y delta top :
  @tokens V x -> law H a -> law H b -> 0 < probability_from theta a x -> 0 < probability_from theta b x ->
  0 < top -> (forall h, (h < H)%nat -> likelihood theta x h <= top) ->
  leads V (next_from theta a x) y delta ->
  TV H a b < delta * probability_from theta a x / (2 * top) ->
  TV H (start_posterior theta a x) (start_posterior theta b x) < delta / 2 /\
  exists delta', 0 < delta' /\ leads V (next_from theta b x) y delta'.
Proof.
  intros T LA LB PA PB NT TOP LEAD CLOSE.
  assert (Q : TV H (start_posterior theta a x) (start_posterior theta b x) < delta / 2).
  { eapply Rle_lt_trans; [apply posterior_TV with (top := top); auto; lra |].
    apply Rmult_lt_reg_r with (probability_from theta a x); [auto |].
    unfold Rdiv at 1. rewrite Rmult_assoc, Rinv_l, Rmult_1_r by lra.
    apply Rmult_lt_compat_l with (r := top) in CLOSE; [| auto].
    replace (top * (delta * probability_from theta a x / (2 * top))) with (delta / 2 * probability_from theta a x)
      in CLOSE by (field; lra). exact CLOSE. }
  split; auto. exists (delta - 2 * TV H (start_posterior theta a x) (start_posterior theta b x)).
  split; [lra | now apply lemma_1_by_posterior].
Qed.

End ByStart.

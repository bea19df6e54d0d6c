(** * The repaired condition makes the moment bound geometric

    B^s E Λ^s is a finite sum of exponentials in s. At s = 0 it is P(Λ > 0): below 1 where theta forbids an example of
    the prompt law; otherwise 1, with derivative log B + E log Λ, which the repaired condition makes negative. Either
    way some s in (0,1] brings it below 1. *)

From Coq Require Import Reals List Lia Lra Arith.
From Coquelicot Require Import Coquelicot.
From IB Require Import Sums Models Forward Assembled Expectations Moments Information.
Import ListNotations.
Open Scope R_scope.

(** ** A finite sum of exponentials near 0 *)

Lemma derive_exponentials {A} (l : list A) (q b : A -> R) :
  derivable_pt_lim (fun s => Σ x ∈ l, q x * exp (s * b x)) 0 (Σ x ∈ l, q x * b x).
Proof.
  induction l as [| x l IH]; simpl; [apply derivable_pt_lim_const |].
  apply derivable_pt_lim_plus; [| exact IH].
  apply is_derive_Reals. auto_derive; auto. rewrite Rmult_0_l, exp_0. ring.
Qed.

(** If a function is below 1 at 0, or is 1 there with a negative derivative, it is below 1 at some s in (0,1]. *)
Lemma below_1_after_0 (g : R -> R) slope :
  derivable_pt_lim g 0 slope -> g 0 < 1 \/ (g 0 = 1 /\ slope < 0) -> exists s, 0 < s <= 1 /\ g s < 1.
Proof.
  intros D [L | [E N]].
  - assert (C : continuity_pt g 0) by (apply derivable_continuous_pt; now exists slope).
    destruct (C (1 - g 0) ltac:(lra)) as (delta & P & F).
    pose proof (Rmin_l delta 1). pose proof (Rmin_r delta 1). pose proof (Rmin_Rgt_r delta 1 0 ltac:(split; lra)).
    exists (Rmin delta 1 / 2). split; [lra |].
    assert (G : Rabs (g (Rmin delta 1 / 2) - g 0) < 1 - g 0).
    { apply (F (Rmin delta 1 / 2)). unfold D_x, no_cond. simpl. unfold R_dist. rewrite Rminus_0_r.
      repeat split; [lra |]. rewrite Rabs_pos_eq; lra. }
    apply Rabs_def2 in G. lra.
  - destruct (D (- slope) ltac:(lra)) as ([delta P] & F). simpl in F.
    pose proof (Rmin_l delta 1). pose proof (Rmin_r delta 1). pose proof (Rmin_Rgt_r delta 1 0 ltac:(split; lra)).
    exists (Rmin delta 1 / 2). set (s := Rmin delta 1 / 2) in *. assert (S : 0 < s <= 1) by (unfold s; lra).
    split; [exact S |].
    assert (G : Rabs ((g (0 + s) - g 0) / s - slope) < - slope).
    { apply F; [lra |]. rewrite Rabs_pos_eq; unfold s; lra. }
    apply Rabs_def2 in G. rewrite Rplus_0_l in G. destruct G as [G _].
    assert (Q : (g s - g 0) / s < 0) by lra.
    apply (Rmult_lt_compat_r s) in Q; [| lra]. unfold Rdiv in Q. rewrite Rmult_assoc, Rinv_l in Q by lra. lra.
Qed.

(** ** Choosing one number for every concept, and the largest of finitely many *)

Lemma finite_choice (l : list nat) (Q : nat -> R -> Prop) :
  (forall c, In c l -> exists s, Q c s) -> exists f, forall c, In c l -> Q c (f c).
Proof.
  induction l as [| c l IH]; intros E; [exists (fun _ => 0); simpl; tauto |].
  destruct IH as (f & F); [intros; apply E; simpl; auto |]. destruct (E c (or_introl eq_refl)) as (s & S).
  exists (fun i => if Nat.eq_dec i c then s else f i). intros i [<- | I].
  - destruct (Nat.eq_dec c c); [auto | tauto].
  - destruct (Nat.eq_dec i c) as [-> |]; auto.
Qed.

Lemma finite_max (l : list nat) (q : nat -> R) :
  (forall c, In c l -> q c < 1) -> exists r, 0 <= r < 1 /\ forall c, In c l -> q c <= r.
Proof.
  induction l as [| c l IH]; intros E; [exists 0; simpl; split; [lra | tauto] |].
  destruct IH as (r & P & F); [intros; apply E; simpl; auto |].
  exists (Rmax r (q c)). pose proof (Rmax_l r (q c)). pose proof (Rmax_r r (q c)). split.
  - split; [lra |]. apply Rmax_lub_lt; [lra | apply E; simpl; auto].
  - intros i [<- | I]; [auto |]. specialize (F i I). lra.
Qed.

(** ** Ratios of two laws, one of which explains the examples better on average *)

Section SmallMoment.
Context {H V : nat} (P : PromptLaw H V).
Hypothesis valid_hmm : is_HMM (hmm P).
Hypothesis valid_start : law H (start P).

(** If a ratio is 0 on some possible example, or its mean logarithm is negative, some moment of it is below 1. *)
Lemma small_moment (ratio : list nat -> R) :
  (forall O, possible_example P O -> 0 <= ratio O) ->
  (exists O, possible_example P O /\ ratio O = 0) \/ expect_example P (fun O => ln (ratio O)) < 0 ->
  exists s, 0 < s <= 1 /\ expect_example P (fun O => power (ratio O) s) < 1.
Proof.
  intros N COND.
  set (q := fun O => if Rlt_dec 0 (ratio O) then p_prompt P O else 0).
  set (g := fun s => Σ O ∈ words V (example_length P), q O * exp (s * ln (ratio O))).
  assert (E : forall s, g s = expect_example P (fun O => power (ratio O) s)).
  { intros s. apply sum_ext. intros O _. unfold q, power, Rpower. destruct Rlt_dec; ring. }
  assert (total : Σ O ∈ words V (example_length P), p_prompt P O = 1).
  { unfold p_prompt. rewrite words_total by auto. apply valid_start. }
  assert (PN := p_prompt_word_nonneg P valid_hmm valid_start (example_length P)).
  assert (S : exists s, 0 < s <= 1 /\ g s < 1).
  2:{ destruct S as (s & S & G). exists s. split; auto. now rewrite <- E. }
  apply below_1_after_0 with (slope := Σ O ∈ words V (example_length P), q O * ln (ratio O));
    [apply derive_exponentials |].
  assert (G0 : g 0 = Σ O ∈ words V (example_length P), q O).
  { unfold g. apply sum_ext. intros O _. rewrite Rmult_0_l, exp_0. ring. }
  rewrite G0.
  assert (Q1 : forall O, In O (words V (example_length P)) -> 0 <= p_prompt P O - q O).
  { intros O I. unfold q. specialize (PN O I). destruct Rlt_dec; lra. }
  (* either some possible example has ratio 0 ... *)
  destruct (Rlt_le_dec (Σ O ∈ words V (example_length P), q O) 1) as [L | L]; [now left |]. right.
  assert (QP : forall O, In O (words V (example_length P)) -> q O = p_prompt P O).
  { intros O I. pose proof (sum_ge_term _ (fun O => p_prompt P O - q O) O Q1 I) as G.
    rewrite sum_minus in G. specialize (Q1 O I). simpl in *.
    change (sum (words V (example_length P)) (p_prompt P) = 1) in total.
    change (1 <= sum (words V (example_length P)) q) in L. lra. }
  split; [rewrite <- total; now apply sum_ext |].
  destruct COND as [(O & [I PO] & Z) | NEG].
  - exfalso. specialize (QP O I). unfold q in QP. rewrite Z in QP. destruct Rlt_dec; lra.
  - eapply Rle_lt_trans; [| exact NEG]. right. apply sum_ext. intros O I. now rewrite QP.
Qed.

End SmallMoment.

Section Rates.
Context {C H V : nat} (m : MixtureOfHMMs C H V) (P : PromptLaw H V).
Variable true : nat.
Notation k := (example_length P).
Notation delim := (delimiter m).
Notation star := (concept m true).
Hypothesis valid : is_mixture m.
Hypothesis valid_start : law H (start P).
Hypothesis a1 : A1 m.
Hypothesis true_below : (true < C)%nat.
Hypothesis a4 : hmm P = star.
Hypothesis prior_true : 0 < prior m true.
Hypothesis k_pos : (1 <= k)%nat.
Variables c1 c5 c6 rho : R.
Hypothesis star_bounds : star_constants m star c1 c5 c6 rho.
Hypothesis star_possible : forall O, possible_example P O -> 0 < probability star O.

Notation moment := (moment m P true).
Notation ratio := (ratio m true).
Notation B := (B c1 rho).

(** Derivative at 0 of B^s E Λ^s, and what it has to do with the condition. *)
Lemma condition_makes_a_moment_small c c2 R_theta :
  (c < C)%nat -> other_constants m (concept m c) c2 R_theta -> repaired_condition m P true c c1 rho c2 R_theta ->
  exists s, 0 < s <= 1 /\ power (B c2 R_theta) s * moment c s < 1.
Proof.
  intros L OC RC. pose proof (hmm_valid m P true valid true_below a4) as VH.
  assert (VC : is_HMM (concept m c)) by now apply valid.
  pose proof (B_pos m true c1 c5 c6 rho star_bounds c c2 R_theta OC) as BP.
  assert (RN : forall O, possible_example P O -> 0 <= ratio c O).
  { intros O I. apply Rmult_le_pos; [| left; now apply Rinv_0_lt_compat, star_possible].
    apply (probability_word_nonneg (concept m c) VC k), I. }
  destruct (small_moment P VH valid_start (fun O => B c2 R_theta * ratio c O)) as (s & S & G).
  - intros O I. apply Rmult_le_pos; [lra | auto].
  - assert (F : forbids P (concept m c) -> exists O, possible_example P O /\ B c2 R_theta * ratio c O = 0).
    { intros (O & I & Z). exists O. split; auto. unfold Moments.ratio. rewrite Z. unfold Rdiv. ring. }
    destruct RC as [FB | RC]; [left; auto |].
    destruct (forbids_or_allows P (concept m c) VC) as [FB | A]; [left; auto | right].
    assert (total : Σ O ∈ words V k, p_prompt P O = 1).
    { unfold p_prompt. rewrite words_total by auto. apply valid_start. }
    assert (SL : expect_example P (fun O => ln (B c2 R_theta * ratio c O))
                 = ln (B c2 R_theta) + (KL_words P star k - KL_words P (concept m c) k)).
    { unfold KL_words, expect_example.
      rewrite <- sum_minus, <- (Rmult_1_r (ln (B c2 R_theta))), <- total, <- sum_scale, <- sum_plus.
      apply sum_ext. intros O I.
      destruct (p_prompt_word_nonneg P VH valid_start _ _ I) as [R | R]; [| rewrite <- R; ring].
      assert (PT : 0 < probability (concept m c) O) by auto.
      assert (PS : 0 < probability star O) by (apply star_possible; split; auto).
      unfold Moments.ratio. rewrite ln_mult by (auto; now apply Rdiv_lt_0_compat).
      rewrite !ln_div by auto. ring. }
    rewrite SL. rewrite (chain_rule P (concept m c)) in RC by auto.
    assert (LB : ln (B c2 R_theta) = ln (c2 / c1) + ln (R_theta / rho)).
    { pose proof (c1_pos _ _ _ _ _ _ star_bounds). pose proof (rho_pos _ _ _ _ _ _ star_bounds).
      pose proof (c2_pos _ _ _ _ OC). pose proof (R_pos _ _ _ _ OC).
      rewrite <- ln_mult by now apply Rdiv_lt_0_compat. f_equal. unfold Moments.B. field. lra. }
    rewrite LB. lra.
  - exists s. split; auto. unfold Moments.moment. rewrite <- expect_example_scale.
    erewrite expect_example_ext; [exact G | auto | auto |].
    intros O I. simpl. rewrite power_mult; auto; lra.
Qed.

(** The posterior forgets every wrong concept geometrically, for every test example x. *)
Theorem posterior_concentrates (c2 R_theta : nat -> R) :
  (forall c, In c (others C true) -> 0 < prior m c -> other_constants m (concept m c) (c2 c) (R_theta c)) ->
  (forall c, In c (others C true) -> 0 < prior m c -> repaired_condition m P true c c1 rho (c2 c) (R_theta c)) ->
  exists A r, 0 <= A /\ 0 <= r < 1 /\ forall n x, (1 <= n)%nat -> In x (words V (k - 1)) ->
    expect_examples P n (fun S => 1 - posterior m true (prompt delim S x)) <= A * r ^ n.
Proof.
  intros OC RC.
  destruct (finite_choice (others C true)
    (fun c s => 0 <= s <= 1 /\ (0 < prior m c -> power (B (c2 c) (R_theta c)) s * moment c s < 1))) as (s0 & F).
  { intros c I. destruct (Rlt_dec 0 (prior m c)) as [PC | PC]; [| exists 0; split; [lra | tauto]].
    destruct (condition_makes_a_moment_small c (c2 c) (R_theta c)) as (s & S & G); auto.
    - now apply in_others in I.
    - exists s. split; [lra | auto]. }
  set (s := fun c => Rmin 1 (Rmax 0 (s0 c))).
  assert (SS : forall c, 0 <= s c <= 1).
  { intros c. unfold s. pose proof (Rmin_l 1 (Rmax 0 (s0 c))). split; [| auto].
    apply Rmin_glb; [lra | apply Rmax_l]. }
  assert (SE : forall c, In c (others C true) -> s c = s0 c).
  { intros c I. destruct (F c I) as [[? ?] _]. unfold s. rewrite Rmax_right, Rmin_right; lra. }
  set (bs := fun c => power (B (c2 c) (R_theta c)) (s c)).
  destruct (finite_max (others C true) (fun c => if Rlt_dec 0 (prior m c) then bs c * moment c (s c) else 0))
    as (r & RR & MAX).
  { intros c I. destruct Rlt_dec as [PC | PC]; [| lra]. unfold bs. rewrite (SE c I). now apply F. }
  assert (BP : forall c, In c (others C true) -> 0 < prior m c -> 0 < bs c).
  { intros c I PC. apply power_gt_0. apply (B_pos m true c1 c5 c6 rho star_bounds c). now apply OC. }
  assert (Z : forall c, ~ 0 < prior m c -> In c (others C true) ->
    power (prior m c * K m P c1 c5 c6 / prior m true) (s c) = 0).
  { intros c N I. apply in_others in I. destruct I as [L _]. destruct (proj1 (proj1 valid) c L) as [Q | Q]; [tauto |].
    rewrite <- Q. unfold Rdiv. rewrite !Rmult_0_l. apply power_0. }
  assert (AN : forall c, In c (others C true) -> 0 <= power (prior m c * K m P c1 c5 c6 / prior m true) (s c) / bs c).
  { intros c I. destruct (Rlt_dec 0 (prior m c)) as [PC | PC].
    - apply Rmult_le_pos; [apply power_nonneg | left; apply Rinv_0_lt_compat; auto].
    - rewrite Z by auto. unfold Rdiv. rewrite Rmult_0_l. lra. }
  exists (Σ c ∈ others C true, power (prior m c * K m P c1 c5 c6 / prior m true) (s c) / bs c), r.
  split; [now apply sum_nonneg |]. split; [exact RR |]. intros n x N I.
  eapply Rle_trans; [apply (moment_bound m P true valid valid_start a1 true_below a4 prior_true k_pos c1 c5 c6 rho
    star_bounds star_possible c2 R_theta s n x); auto |].
  rewrite <- sum_scale_r. apply sum_le. intros c J. fold (bs c). specialize (MAX c J). simpl in MAX.
  destruct (Rlt_dec 0 (prior m c)) as [PC | PC]; [| rewrite (Z c PC J); unfold Rdiv; rewrite !Rmult_0_l; lra].
  assert (MN : 0 <= moment c (s c)).
  { apply sum_nonneg. intros O IO. apply Rmult_le_pos; [| apply power_nonneg].
    apply (p_prompt_word_nonneg P (hmm_valid m P true valid true_below a4) valid_start _ _ IO). }
  replace (bs c ^ (n - 1)) with (bs c ^ n / bs c).
  2:{ destruct n as [| n]; [lia |]. replace (Datatypes.S n - 1)%nat with n by lia. simpl. field.
      now apply Rgt_not_eq, BP. }
  replace (power (prior m c * K m P c1 c5 c6 / prior m true) (s c) * (bs c ^ n / bs c) * moment c (s c) ^ n)
    with (power (prior m c * K m P c1 c5 c6 / prior m true) (s c) / bs c * (bs c * moment c (s c)) ^ n).
  2:{ rewrite Rpow_mult_distr. unfold Rdiv. ring. }
  apply Rmult_le_compat_l; auto. apply pow_incr. split; [| auto].
  apply Rmult_le_pos; [left; auto | auto].
Qed.

End Rates.

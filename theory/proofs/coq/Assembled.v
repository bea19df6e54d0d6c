(** * The assembled inequality: what the examples say of theta against theta*, at every finite n.

    The prompt is cut *before* every delimiter, O_1 | delim O_2 | ... | delim O_n | delim x.
    Step A (theta): a segment "delim O" after any past is at most c2 R p(O|theta).
    Step B (theta_star): it is at least c1 rho p(O|theta_star).
    Last segment: "delim x" is at most 1 under theta, at least |D| c1 (c5 c6)^|x| under theta_star.
    Any number of delimiter states. Source: the docstring of the Python module [repaired]. *)

From Coq Require Import Reals List Lia Lra Arith.
From IB Require Import Sums Models Forward.
Import ListNotations.
Open Scope R_scope.

Lemma prompt_cons delim O rest x : prompt delim (O :: rest) x = O ++ delim :: prompt delim rest x.
Proof. unfold prompt. simpl. rewrite <- !app_assoc. reflexivity. Qed.

Lemma ends_in_a_token {A} (w : list A) : w <> [] -> exists u o, w = u ++ [o].
Proof. intros N. destruct (exists_last N) as (u & o & E). now exists u, o. Qed.

Section Segments.
Context {C H V : nat} (m : MixtureOfHMMs C H V) (theta : HMM H V).
Notation D := (delimiter_states m).
Notation delim := (delimiter m).
Hypothesis valid : is_HMM theta.
Hypothesis delim_token : (delim < V)%nat.
(** A1 for this concept. *)
Hypothesis pure : forall h, (h < H)%nat -> emission theta h delim = if delimiter_state m h then 1 else 0.

Lemma D_below d : In d D -> (d < H)%nat.
Proof. intros I. apply filter_In in I. now apply in_below. Qed.

Lemma step_delimiter a h : step theta a delim h = Σ d ∈ D, a d * transition theta d h.
Proof.
  unfold step, delimiter_states. rewrite <- sum_filter. apply sum_ext.
  intros i I. apply in_below in I. rewrite pure by auto. destruct (delimiter_state m i); lra.
Qed.

(** p(past, delim, w) = sum_d p(past, next state d) p(w|d). *)
Lemma probability_after_delimiter a w :
  probability_from theta a (delim :: w) = Σ d ∈ D, a d * probability_from theta (transition theta d) w.
Proof.
  rewrite <- probability_from_mixture.
  change (probability_from theta a (delim :: w)) with (probability_from theta (step theta a delim) w).
  apply probability_from_ext. intros i _. apply step_delimiter.
Qed.

Lemma initial_nonneg h : (h < H)%nat -> 0 <= initial theta h.
Proof. apply valid. Qed.

Lemma ahead_initial_nonneg w h : @tokens V w -> (h < H)%nat -> 0 <= ahead theta (initial theta) w h.
Proof. intros. apply ahead_nonneg; auto using initial_nonneg. Qed.

(** Step A. *)
Lemma step_A c2 R_theta past O :
  other_constants m theta c2 R_theta -> past <> [] -> @tokens V past -> @tokens V O ->
  probability theta (past ++ delim :: O) <= c2 * R_theta * probability theta O * probability theta past.
Proof.
  intros K N TP TO. unfold probability at 1. rewrite probability_from_app.
  set (b := ahead theta (initial theta) past).
  assert (UP : forall d, In d D -> b d <= c2 * probability theta past).
  { intros d I. destruct (ends_in_a_token past N) as (u & o & ->). apply tokens_app_inv in TP. destruct TP as [TU TO1].
    inversion TO1; subst. apply ahead_last_upper; auto using initial_nonneg. intros h L. now apply (c2_bound _ _ _ _ K). }
  assert (Q : 0 <= probability theta past) by now apply probability_nonneg.
  replace (c2 * R_theta * probability theta O * probability theta past)
    with ((c2 * R_theta * probability theta past) * probability theta O) by ring.
  unfold probability at 2. rewrite <- probability_from_scale.
  change (probability_from theta b (delim :: O)) with (probability_from theta (step theta b delim) O).
  apply probability_from_le; auto. intros h L. rewrite step_delimiter.
  apply Rle_trans with (Σ d ∈ D, (c2 * probability theta past) * transition theta d h).
  - apply sum_le. intros d I. apply Rmult_le_compat_r; [| auto]. apply transition_nonneg; auto using D_below.
  - rewrite sum_scale. replace (c2 * R_theta * probability theta past * initial theta h)
      with ((c2 * probability theta past) * (R_theta * initial theta h)) by ring.
    apply Rmult_le_compat_l; [| now apply (R_bound _ _ _ _ K)].
    apply Rmult_le_pos; [left; apply (c2_pos _ _ _ _ K) | auto].
Qed.

Lemma segments_upper c2 R_theta x rest past :
  other_constants m theta c2 R_theta -> past <> [] -> @tokens V past -> Forall (@tokens V) rest -> @tokens V x ->
  probability theta (past ++ delim :: prompt delim rest x)
  <= (c2 * R_theta) ^ length rest * (Π O ∈ rest, probability theta O) * probability theta past.
Proof.
  intros K. revert past. induction rest as [| O rest IH]; intros past N TP TR TX.
  - simpl. change (prompt delim [] x) with x. unfold probability. rewrite probability_from_app.
    rewrite Rmult_1_l, Rmult_1_l. apply probability_from_le_total; auto.
    + now constructor.
    + intros. now apply ahead_initial_nonneg.
  - inversion TR; subst. rewrite prompt_cons.
    replace (past ++ delim :: O ++ delim :: prompt delim rest x)
      with ((past ++ delim :: O) ++ delim :: prompt delim rest x) by now rewrite <- app_assoc.
    eapply Rle_trans; [apply IH; auto |].
    + intros E. apply app_eq_nil in E. easy.
    + apply tokens_app; [auto | now constructor].
    + simpl. pose proof (step_A c2 R_theta past O K N TP H2) as A.
      replace (c2 * R_theta * (c2 * R_theta) ^ length rest * (probability theta O * (Π O0 ∈ rest, probability theta O0))
               * probability theta past)
        with (((c2 * R_theta) ^ length rest * (Π O0 ∈ rest, probability theta O0))
               * (c2 * R_theta * probability theta O * probability theta past)) by ring.
      apply Rmult_le_compat_l; [| exact A].
      apply Rmult_le_pos.
      * apply pow_le. apply Rmult_le_pos; left; [apply (c2_pos _ _ _ _ K) | apply (R_pos _ _ _ _ K)].
      * apply product_nonneg. intros w I. apply probability_nonneg; auto. rewrite Forall_forall in H3. auto.
Qed.

(** Step B. *)
Lemma next_delimiter_lower c1 c5 c6 rho past d :
  star_constants m theta c1 c5 c6 rho -> past <> [] -> @tokens V past -> In d D ->
  c1 * probability theta past <= ahead theta (initial theta) past d.
Proof.
  intros K N TP I. destruct (ends_in_a_token past N) as (u & o & ->). apply tokens_app_inv in TP. destruct TP as [TU TO1].
  inversion TO1; subst. apply ahead_last_lower; auto using initial_nonneg. intros h L. now apply (c1_bound _ _ _ _ _ _ K).
Qed.

Lemma step_B c1 c5 c6 rho past O :
  star_constants m theta c1 c5 c6 rho -> past <> [] -> @tokens V past -> @tokens V O ->
  c1 * rho * probability theta O * probability theta past <= probability theta (past ++ delim :: O).
Proof.
  intros K N TP TO. unfold probability at 3. rewrite probability_from_app.
  set (b := ahead theta (initial theta) past).
  assert (Q : 0 <= probability theta past) by now apply probability_nonneg.
  replace (c1 * rho * probability theta O * probability theta past)
    with ((c1 * rho * probability theta past) * probability theta O) by ring.
  unfold probability at 2. rewrite <- probability_from_scale.
  change (probability_from theta b (delim :: O)) with (probability_from theta (step theta b delim) O).
  apply probability_from_le; auto. intros h L. rewrite step_delimiter.
  apply Rle_trans with (Σ d ∈ D, (c1 * probability theta past) * transition theta d h).
  - rewrite sum_scale. replace (c1 * rho * probability theta past * initial theta h)
      with ((c1 * probability theta past) * (rho * initial theta h)) by ring.
    apply Rmult_le_compat_l; [| now apply (rho_bound _ _ _ _ _ _ K)].
    apply Rmult_le_pos; [left; apply (c1_pos _ _ _ _ _ _ K) | auto].
  - apply sum_le. intros d I. apply Rmult_le_compat_r; [apply transition_nonneg; auto using D_below |].
    now apply (next_delimiter_lower c1 c5 c6 rho).
Qed.

(** If every state has weight at least t, a sequence x has probability at least t c6 (c5 c6)^(|x|-1). *)
Lemma last_tokens c1 c5 c6 rho t a x :
  star_constants m theta c1 c5 c6 rho -> @tokens V x -> 0 <= t -> (forall h, (h < H)%nat -> t * c5 <= a h) ->
  t <= Σ h ∈ below H, a h ->
  t * (c5 * c6) ^ length x <= probability_from theta a x.
Proof.
  intros K. revert t a. induction x as [| o x IH]; intros t a TX T E S.
  - unfold probability_from. simpl. lra.
  - inversion TX; subst. change (probability_from theta a (o :: x)) with (probability_from theta (step theta a o) x).
    assert (P5 := c5_pos _ _ _ _ _ _ K). assert (P6 := c6_pos _ _ _ _ _ _ K).
    assert (W : t * (c5 * c6) <= Σ h ∈ below H, a h * emission theta h o).
    { destruct (c6_bound _ _ _ _ _ _ K o) as (h & L & B); auto.
      apply Rle_trans with (a h * emission theta h o).
      - rewrite <- Rmult_assoc. apply Rmult_le_compat; auto; [| lra]. apply Rmult_le_pos; lra.
      - apply (sum_ge_term (below H) (fun h => a h * emission theta h o)); [| now apply in_below].
        intros i I. apply in_below in I. apply Rmult_le_pos; [| now apply emission_nonneg].
        eapply Rle_trans; [| now apply E]. apply Rmult_le_pos; lra. }
    simpl. rewrite <- Rmult_assoc. apply IH; auto.
    + apply Rmult_le_pos; [lra |]. apply Rmult_le_pos; lra.
    + intros h L. apply Rle_trans with (Σ i ∈ below H, (a i * emission theta i o) * c5).
      * rewrite sum_scale_r. apply Rmult_le_compat_r; [lra | exact W].
      * apply sum_le. intros i I. apply in_below in I. apply Rmult_le_compat_l; [| now apply (c5_bound _ _ _ _ _ _ K)].
        apply Rmult_le_pos; [| now apply emission_nonneg]. eapply Rle_trans; [| now apply E]. apply Rmult_le_pos; lra.
    + rewrite step_total by auto. exact W.
Qed.

Lemma last_segment c1 c5 c6 rho past x :
  star_constants m theta c1 c5 c6 rho -> past <> [] -> @tokens V past -> @tokens V x ->
  INR (length D) * c1 * (c5 * c6) ^ length x * probability theta past <= probability theta (past ++ delim :: x).
Proof.
  intros K N TP TX. unfold probability at 2. rewrite probability_from_app.
  set (b := ahead theta (initial theta) past).
  assert (Q : 0 <= probability theta past) by now apply probability_nonneg.
  assert (P1 := c1_pos _ _ _ _ _ _ K). assert (P5 := c5_pos _ _ _ _ _ _ K).
  change (probability_from theta b (delim :: x)) with (probability_from theta (step theta b delim) x).
  replace (INR (length D) * c1 * (c5 * c6) ^ length x * probability theta past)
    with ((INR (length D) * (c1 * probability theta past)) * (c5 * c6) ^ length x) by ring.
  assert (B : forall d, In d D -> c1 * probability theta past <= b d)
    by (intros; now apply (next_delimiter_lower c1 c5 c6 rho)).
  assert (Z : 0 <= c1 * probability theta past) by (apply Rmult_le_pos; lra).
  apply (last_tokens c1 c5 c6 rho); auto.
  - apply Rmult_le_pos; [apply pos_INR | exact Z].
  - intros h L. rewrite step_delimiter. rewrite <- sum_const, <- sum_scale_r. apply sum_le.
    intros d I. apply Rmult_le_compat; auto; [lra |]. now apply (c5_bound _ _ _ _ _ _ K); [apply D_below |].
  - rewrite <- sum_const. rewrite (sum_ext (below H) _ (fun h => Σ d ∈ D, b d * transition theta d h))
      by (intros; apply step_delimiter).
    rewrite sum_swap. apply sum_le. intros d I. rewrite sum_scale, transition_total by auto using D_below.
    rewrite Rmult_1_r. auto.
Qed.

Lemma segments_lower c1 c5 c6 rho x rest past :
  star_constants m theta c1 c5 c6 rho -> past <> [] -> @tokens V past -> Forall (@tokens V) rest -> @tokens V x ->
  INR (length D) * c1 * (c5 * c6) ^ length x * (c1 * rho) ^ length rest
    * (Π O ∈ rest, probability theta O) * probability theta past
  <= probability theta (past ++ delim :: prompt delim rest x).
Proof.
  intros K. assert (P1 := c1_pos _ _ _ _ _ _ K). assert (P5 := c5_pos _ _ _ _ _ _ K).
  assert (P6 := c6_pos _ _ _ _ _ _ K). assert (PR := rho_pos _ _ _ _ _ _ K).
  revert past. induction rest as [| O rest IH]; intros past N TP TR TX.
  - simpl. rewrite !Rmult_1_r. change (prompt delim [] x) with x. now apply (last_segment c1 c5 c6 rho).
  - inversion TR; subst. rewrite prompt_cons.
    replace (past ++ delim :: O ++ delim :: prompt delim rest x)
      with ((past ++ delim :: O) ++ delim :: prompt delim rest x) by now rewrite <- app_assoc.
    eapply Rle_trans; [| apply IH; auto].
    + simpl. pose proof (step_B c1 c5 c6 rho past O K N TP H2) as B.
      replace (INR (length D) * c1 * (c5 * c6) ^ length x * (c1 * rho * (c1 * rho) ^ length rest)
               * (probability theta O * (Π O0 ∈ rest, probability theta O0)) * probability theta past)
        with ((INR (length D) * c1 * (c5 * c6) ^ length x * (c1 * rho) ^ length rest
                 * (Π O0 ∈ rest, probability theta O0))
               * (c1 * rho * probability theta O * probability theta past)) by ring.
      apply Rmult_le_compat_l; [| exact B].
      repeat apply Rmult_le_pos; try apply pos_INR; try (left; assumption);
        try (apply pow_le; apply Rmult_le_pos; lra).
      apply product_nonneg. intros w I. apply probability_nonneg; auto. rewrite Forall_forall in H3. auto.
    + intros E. apply app_eq_nil in E. easy.
    + apply tokens_app; [auto | now constructor].
Qed.

End Segments.

(** ** The theorem *)

Section Assembled.
Context {C H V : nat} (m : MixtureOfHMMs C H V).
Variables true c : nat.
Hypothesis valid : is_mixture m.
Hypothesis a1 : A1 m.
Hypothesis true_below : (true < C)%nat.
Hypothesis c_below : (c < C)%nat.
Variables c1 c5 c6 rho c2 R_theta : R.
Hypothesis star : star_constants m (concept m true) c1 c5 c6 rho.
Hypothesis other : other_constants m (concept m c) c2 R_theta.

(** [examples] are n >= 1 sequences of tokens, the first of which is not empty; [x] is any sequence of tokens.

    p(S_n,x|theta) |D| c1 (c5 c6)^|x| (c1 rho)^(n-1) prod_i p(O_i|theta_star)
      <= (c2 R)^(n-1) prod_i p(O_i|theta) p(S_n,x|theta_star).   The inequality of n r_n(theta), exponentiated. *)
Theorem assembled_inequality O examples x :
  O <> [] -> Forall (@tokens V) (O :: examples) -> @tokens V x ->
  let S := O :: examples in
  let n := length S in
  probability (concept m c) (prompt (delimiter m) S x)
    * (INR (length (delimiter_states m)) * c1 * (c5 * c6) ^ length x
       * (c1 * rho) ^ (n - 1) * Π O ∈ S, probability (concept m true) O)
  <= (c2 * R_theta) ^ (n - 1) * (Π O ∈ S, probability (concept m c) O)
     * probability (concept m true) (prompt (delimiter m) S x).
Proof.
  intros N T TX S n. destruct valid as (_ & HM & DT). inversion T as [| ? ? TO TR]; subst.
  unfold S, n. simpl length. replace (Datatypes.S (length examples) - 1)%nat with (length examples) by lia.
  rewrite prompt_cons.
  pose proof (segments_upper m (concept m c) (HM c c_below) DT (fun h L => a1 c h c_below L) c2 R_theta x examples O
                other N TO TR TX) as U.
  pose proof (segments_lower m (concept m true) (HM true true_below) DT (fun h L => a1 true h true_below L)
                c1 c5 c6 rho x examples O star N TO TR TX) as L.
  assert (NN : forall w, @tokens V w -> 0 <= probability (concept m true) w)
    by (intros; apply probability_nonneg; auto).
  assert (P1 := c1_pos _ _ _ _ _ _ star). assert (P5 := c5_pos _ _ _ _ _ _ star).
  assert (P6 := c6_pos _ _ _ _ _ _ star). assert (PR := rho_pos _ _ _ _ _ _ star).
  rewrite Forall_forall in TR.
  eapply Rle_trans; [apply Rmult_le_compat_r; [| exact U] |].
  - repeat apply Rmult_le_pos; try apply pos_INR; try (left; assumption); try (apply pow_le; apply Rmult_le_pos; lra).
    + auto.
    + apply product_nonneg. auto.
  - simpl. apply Rle_trans with
      ((c2 * R_theta) ^ length examples * (probability (concept m c) O * (Π O ∈ examples, probability (concept m c) O))
        * (INR (length (delimiter_states m)) * c1 * (c5 * c6) ^ length x * (c1 * rho) ^ length examples
           * (Π O ∈ examples, probability (concept m true) O) * probability (concept m true) O)); [right; ring |].
    apply Rmult_le_compat_l; [| exact L].
    apply Rmult_le_pos.
    + apply pow_le. apply Rmult_le_pos; left; [apply (c2_pos _ _ _ _ other) | apply (R_pos _ _ _ _ other)].
    + apply (product_nonneg (O :: examples)). simpl. intros w [<- | I]; apply probability_nonneg; auto.
Qed.

End Assembled.

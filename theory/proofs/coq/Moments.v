(** * The moment bound: how fast the posterior mass of the wrong concepts vanishes, at every finite n (F1).

    E[1 - w_n(theta_star)] <= sum_{theta <> theta_star} (π_theta K / π_star)^s (B^s)^(n-1) (E Λ^s)^n,  0 <= s <= 1,
    Λ = p(O|theta) / p(O|theta_star),  B = c2 R / (c1 rho),  K = 1 / (|D| c1 (c5 c6)^(k-1)).
    Expectations are finite sums over examples; a different s may be taken for every theta. *)

From Coq Require Import Reals List Lia Lra Arith.
From IB Require Import Sums Models Forward Assembled Expectations.
Import ListNotations.
Open Scope R_scope.

(** ** The bound *)

(** The concepts other than theta_true. *)
Definition others (C true : nat) : list nat := filter (fun c => negb (c =? true)%nat) (below C).

Lemma in_others C true c : In c (others C true) <-> (c < C)%nat /\ c <> true.
Proof.
  unfold others. rewrite filter_In, in_below, Bool.negb_true_iff, Nat.eqb_neq. tauto.
Qed.

Lemma sum_others C true f : (true < C)%nat -> Σ c ∈ below C, f c = f true + Σ c ∈ others C true, f c.
Proof.
  intros L. unfold others. rewrite <- sum_filter.
  rewrite (sum_ext (below C) (fun c => f c) (fun c => (if (c =? true)%nat then f true else 0)
                                         + (if negb (c =? true)%nat then f c else 0))).
  - rewrite sum_plus. f_equal. clear -L. unfold below.
    assert (G : forall n a, (a <= true < a + n)%nat ->
                Σ c ∈ seq a n, (if (c =? true)%nat then f true else 0) = f true).
    { induction n as [| n IH]; intros a B; [lia |]. simpl. destruct (Nat.eqb_spec a true) as [-> | NE].
      - rewrite sum_zero; [lra |]. intros c I. apply in_seq in I. destruct (Nat.eqb_spec c true); [lia | reflexivity].
      - rewrite IH by lia. lra. }
    apply G. lia.
  - intros c _. destruct (Nat.eqb_spec c true) as [-> | NE]; simpl; lra.
Qed.

Section MomentBound.
Context {C H V : nat} (m : MixtureOfHMMs C H V) (P : PromptLaw H V).
Variable true : nat.
Notation k := (example_length P).
Notation delim := (delimiter m).
Notation star := (concept m true).
Hypothesis valid : is_mixture m.
Hypothesis valid_start : law H (start P).
Hypothesis a1 : A1 m.
(** A4: the prompt's concept is one of the mixture's, of positive prior. *)
Hypothesis true_below : (true < C)%nat.
Hypothesis a4 : hmm P = star.
Hypothesis prior_true : 0 < prior m true.
Hypothesis k_pos : (1 <= k)%nat.
Variables c1 c5 c6 rho : R.
Hypothesis star_bounds : star_constants m star c1 c5 c6 rho.
(** theta_star can produce every example of the prompt law. *)
Hypothesis star_possible : forall O, possible_example P O -> 0 < probability star O.

(** Λ, its moment, and the constants K and B. *)
Definition ratio (c : nat) (O : list nat) : R := probability (concept m c) O / probability star O.
Definition moment (c : nat) (s : R) : R := expect_example P (fun O => power (ratio c O) s).
Definition K : R := / (INR (length (delimiter_states m)) * c1 * (c5 * c6) ^ (k - 1)).
Definition B (c2 R_theta : R) : R := c2 * R_theta / (c1 * rho).

Lemma star_valid : is_HMM star.
Proof. now apply valid. Qed.

Lemma hmm_valid : is_HMM (hmm P).
Proof. rewrite a4. apply star_valid. Qed.

(** Some state emits the delimiter, so D is not empty. *)
Lemma D_nonempty : exists d, In d (delimiter_states m).
Proof.
  destruct valid as (_ & _ & DT). destruct (c6_bound _ _ _ _ _ _ star_bounds delim DT) as (h & L & E).
  assert (P6 := c6_pos _ _ _ _ _ _ star_bounds). rewrite (a1 true h true_below L) in E.
  exists h. apply filter_In. split; [now apply in_below |]. destruct (delimiter_state m h); [reflexivity | lra].
Qed.

Lemma D_count : 0 < INR (length (delimiter_states m)).
Proof.
  destruct D_nonempty as (d & I). apply lt_0_INR. destruct (delimiter_states m); [destruct I | simpl; lia].
Qed.

Lemma K_denominator : 0 < INR (length (delimiter_states m)) * c1 * (c5 * c6) ^ (k - 1).
Proof.
  assert (P1 := c1_pos _ _ _ _ _ _ star_bounds). assert (P5 := c5_pos _ _ _ _ _ _ star_bounds).
  assert (P6 := c6_pos _ _ _ _ _ _ star_bounds). pose proof D_count.
  apply Rmult_lt_0_compat; [now apply Rmult_lt_0_compat |]. apply pow_lt. now apply Rmult_lt_0_compat.
Qed.

Lemma K_pos : 0 < K.
Proof. apply Rinv_0_lt_compat, K_denominator. Qed.

Lemma B_pos c c2 R_theta : other_constants m (concept m c) c2 R_theta -> 0 < B c2 R_theta.
Proof.
  intros O. pose proof (c2_pos _ _ _ _ O). pose proof (R_pos _ _ _ _ O).
  pose proof (c1_pos _ _ _ _ _ _ star_bounds). pose proof (rho_pos _ _ _ _ _ _ star_bounds).
  apply Rdiv_lt_0_compat; now apply Rmult_lt_0_compat.
Qed.

Lemma examples_tokens S : Forall (possible_example P) S -> Forall (@tokens V) S.
Proof. apply Forall_impl. intros O [I _]. now apply words_spec in I. Qed.

Lemma examples_not_empty O : possible_example P O -> O <> [].
Proof. intros [I _] ->. apply words_spec in I. simpl in I. lia. Qed.

Lemma prompt_tokens S x : Forall (@tokens V) S -> @tokens V x -> @tokens V (prompt delim S x).
Proof.
  intros F T. unfold prompt. apply tokens_app; auto. destruct valid as (_ & _ & DT).
  induction F as [| O S TO F IH]; simpl; [constructor |].
  apply tokens_app; [apply tokens_app; [auto | now repeat constructor] | auto].
Qed.

(** theta_star gives a prompt of possible examples a positive probability. *)
Lemma star_prompt_pos O S x :
  Forall (possible_example P) (O :: S) -> @tokens V x -> 0 < probability star (prompt delim (O :: S) x).
Proof.
  intros F T. pose proof (examples_tokens _ F) as TS. inversion F; subst. inversion TS; subst.
  rewrite prompt_cons. destruct valid as (_ & HM & DT).
  eapply Rlt_le_trans; [| apply (segments_lower m star (HM _ true_below) DT (fun h L => a1 true h true_below L)
    c1 c5 c6 rho); auto; now apply examples_not_empty].
  assert (P1 := c1_pos _ _ _ _ _ _ star_bounds). assert (P5 := c5_pos _ _ _ _ _ _ star_bounds).
  assert (P6 := c6_pos _ _ _ _ _ _ star_bounds). assert (PR := rho_pos _ _ _ _ _ _ star_bounds).
  pose proof D_count.
  repeat apply Rmult_lt_0_compat; auto; try (apply pow_lt; now apply Rmult_lt_0_compat).
  apply product_pos. intros w I. apply star_possible. rewrite Forall_forall in H3. auto.
Qed.

(** The assembled inequality as a bound on the posterior odds. *)
Lemma odds_bound c c2 R_theta O S x :
  (c < C)%nat -> other_constants m (concept m c) c2 R_theta ->
  Forall (possible_example P) (O :: S) -> @tokens V x -> length x = (k - 1)%nat ->
  odds m true c (prompt delim (O :: S) x)
  <= prior m c * K / prior m true * (B c2 R_theta ^ length S * Π w ∈ O :: S, ratio c w).
Proof.
  intros L OC F T LX. pose proof (star_prompt_pos O S x F T) as PS. pose proof (examples_tokens _ F) as TS.
  assert (NE : O <> []) by (inversion F; now apply examples_not_empty).
  pose proof (assembled_inequality m true c valid a1 true_below L c1 c5 c6 rho c2 R_theta star_bounds OC O S x NE TS T)
    as A. cbv zeta in A. simpl length in A. replace (Datatypes.S (length S) - 1)%nat with (length S) in A by lia.
  rewrite LX in A. pose proof K_denominator as KD.
  assert (CR : 0 < c1 * rho).
  { apply Rmult_lt_0_compat; [apply (c1_pos _ _ _ _ _ _ star_bounds) | apply (rho_pos _ _ _ _ _ _ star_bounds)]. }
  assert (PP : 0 < Π w ∈ O :: S, probability star w).
  { apply product_pos. intros w I. apply star_possible. rewrite Forall_forall in F. auto. }
  assert (CP : 0 < (c1 * rho) ^ length S) by now apply pow_lt.
  unfold ratio. rewrite product_div.
  2:{ intros w I. apply Rgt_not_eq. apply star_possible. rewrite Forall_forall in F. auto. }
  unfold odds, joint, K, B.
  assert (PC : 0 <= prior m c) by now apply valid.
  set (den := INR (length (delimiter_states m)) * c1 * (c5 * c6) ^ (k - 1)) in *.
  set (p := probability (concept m c) (prompt delim (O :: S) x)) in *.
  set (q := probability star (prompt delim (O :: S) x)) in *.
  set (up := product (O :: S) (probability (concept m c))) in *.
  set (down := product (O :: S) (probability star)) in *.
  replace (prior m c * p / (prior m true * q)) with (prior m c / prior m true * (p / q)) by (field; lra).
  replace ((c2 * R_theta / (c1 * rho)) ^ length S) with ((c2 * R_theta) ^ length S / (c1 * rho) ^ length S)
    by (unfold Rdiv; rewrite (Rpow_mult_distr (c2 * R_theta) (/ (c1 * rho))), pow_inv; reflexivity).
  replace (prior m c * / den / prior m true * ((c2 * R_theta) ^ length S / (c1 * rho) ^ length S * (up / down)))
    with (prior m c / prior m true * ((c2 * R_theta) ^ length S * up / (den * (c1 * rho) ^ length S * down)))
    by (field; repeat split; lra).
  apply Rmult_le_compat_l.
  - apply Rmult_le_pos; [auto | left; now apply Rinv_0_lt_compat].
  - apply Rmult_le_reg_r with (q * (den * (c1 * rho) ^ length S * down)).
    + apply Rmult_lt_0_compat; [exact PS |]. apply Rmult_lt_0_compat; [| exact PP]. now apply Rmult_lt_0_compat.
    + replace (p / q * (q * (den * (c1 * rho) ^ length S * down))) with (p * (den * (c1 * rho) ^ length S * down))
        by (field; lra).
      replace ((c2 * R_theta) ^ length S * up / (den * (c1 * rho) ^ length S * down)
               * (q * (den * (c1 * rho) ^ length S * down))) with ((c2 * R_theta) ^ length S * up * q)
        by (field; repeat split; lra).
      exact A.
Qed.

(** 1 - w(theta_star) <= sum of min(1, odds) <= sum of odds^s. *)
Lemma one_minus_posterior w (s : nat -> R) :
  @tokens V w -> 0 < probability star w -> (forall c, 0 <= s c <= 1) ->
  1 - posterior m true w <= Σ c ∈ others C true, power (odds m true c w) (s c).
Proof.
  intros T Q S. destruct valid as (LP & HM & _).
  assert (J : 0 < joint m true w) by now apply Rmult_lt_0_compat.
  assert (N : forall c, In c (others C true) -> 0 <= joint m c w).
  { intros c I. apply in_others in I. destruct I. apply Rmult_le_pos; [now apply LP |].
    apply probability_nonneg; auto. }
  assert (E : evidence m w = joint m true w + Σ c ∈ others C true, joint m c w) 
    by exact (sum_others C true (fun c => joint m c w) true_below).
  pose proof (sum_nonneg _ _ N) as NS. unfold posterior.
  assert (EP : 0 < evidence m w) by lra.
  replace (1 - joint m true w / evidence m w) with ((Σ c ∈ others C true, joint m c w) * / evidence m w)
    by (rewrite E; field; lra).
  rewrite <- sum_scale_r. apply sum_le. intros c I. pose proof (N c I) as NC.
  pose proof (sum_ge_term _ _ c N I) as G. apply min_le_power; auto.
  - apply Rmult_le_pos; [auto | left; now apply Rinv_0_lt_compat].
  - apply Rmult_le_reg_r with (evidence m w); [auto |]. rewrite Rmult_assoc, Rinv_l by lra. lra.
  - unfold odds. apply Rmult_le_compat_l; [auto |]. apply Rinv_le_contravar; lra.
Qed.

Lemma posterior_le_1 w : @tokens V w -> 0 < probability star w -> posterior m true w <= 1.
Proof.
  intros T Q. destruct valid as (LP & HM & _).
  assert (J : 0 < joint m true w) by now apply Rmult_lt_0_compat.
  assert (G : joint m true w <= evidence m w).
  { apply (sum_ge_term (below C) (fun c => joint m c w)); [| now apply in_below].
    intros c I. apply in_below in I. apply Rmult_le_pos; [now apply LP |]. apply probability_nonneg; auto. }
  unfold posterior. apply Rmult_le_reg_r with (evidence m w); [lra |].
  unfold Rdiv. rewrite Rmult_assoc, Rinv_l by lra. lra.
Qed.

(** F1. Constants of theta_c: [c2 c] and [R_theta c]; its exponent: [s c]. A concept of prior 0 counts for nothing. *)
Theorem moment_bound (c2 R_theta s : nat -> R) n x :
  (forall c, In c (others C true) -> 0 < prior m c -> other_constants m (concept m c) (c2 c) (R_theta c)) ->
  (forall c, 0 <= s c <= 1) -> (1 <= n)%nat -> In x (words V (k - 1)) ->
  expect_examples P n (fun S => 1 - posterior m true (prompt delim S x))
  <= Σ c ∈ others C true,
       power (prior m c * K / prior m true) (s c) * power (B (c2 c) (R_theta c)) (s c) ^ (n - 1) * moment c (s c) ^ n.
Proof.
  intros OC SS N I. apply words_spec in I. destruct I as [LX TX].
  apply Rle_trans with (expect_examples P n (fun S => Σ c ∈ others C true,
    (power (prior m c * K / prior m true) (s c) * power (B (c2 c) (R_theta c)) (s c) ^ (n - 1))
      * Π O ∈ S, power (ratio c O) (s c))).
  - apply expect_examples_le; auto using hmm_valid. intros S LS F.
    destruct S as [| O S]; [simpl in LS; lia |].
    eapply Rle_trans; [apply one_minus_posterior with (s := s); auto |].
    + apply prompt_tokens; auto. now apply examples_tokens.
    + now apply star_prompt_pos.
    + apply sum_le. intros c I. pose proof (OC c I) as OCc. apply in_others in I. destruct I as [L _].
      destruct (proj1 (proj1 valid) c L) as [PC | PC].
      2:{ replace (odds m true c (prompt delim (O :: S) x)) with 0
            by (unfold odds, joint; rewrite <- PC; unfold Rdiv; ring).
          rewrite power_0. repeat apply Rmult_le_pos; auto using power_nonneg, pow_le, product_nonneg. }
      specialize (OCc PC).
      assert (Q : 0 <= prior m c * K / prior m true).
      { pose proof K_pos. apply Rmult_le_pos; [apply Rmult_le_pos; [now apply valid | lra] |].
        left. now apply Rinv_0_lt_compat. }
      assert (BP : 0 <= B (c2 c) (R_theta c)) by (left; now apply (B_pos c)).
      assert (RP : forall w, In w (O :: S) -> 0 <= ratio c w).
      { intros w I. rewrite Forall_forall in F. apply F in I. pose proof (star_possible w I) as PW.
        apply Rmult_le_pos; [| left; now apply Rinv_0_lt_compat]. apply probability_nonneg.
        - now apply valid.
        - destruct I as [I _]. now apply words_spec in I. }
      rewrite <- (power_product (O :: S)) by auto.
      replace (n - 1)%nat with (length S) by (simpl in LS; lia).
      rewrite <- power_pow by auto. rewrite <- !power_mult; auto using pow_le, product_nonneg.
      * apply power_le; [apply SS |]. split.
        -- unfold odds, joint. apply Rmult_le_pos.
           ++ apply Rmult_le_pos; [now apply valid |]. apply probability_nonneg; [now apply valid |].
              apply prompt_tokens; auto. now apply examples_tokens.
           ++ left. apply Rinv_0_lt_compat. apply Rmult_lt_0_compat; [auto | now apply star_prompt_pos].
        -- rewrite Rmult_assoc. apply odds_bound; auto.
      * apply Rmult_le_pos; auto using pow_le.
  - right. rewrite expect_examples_sum by auto using hmm_valid. apply sum_ext. intros c _.
    etransitivity; [apply (expect_examples_scale P hmm_valid valid_start n _ (fun S => Π O ∈ S, power (ratio c O) (s c))) |].
    rewrite expect_examples_product by auto using hmm_valid. reflexivity.
Qed.

End MomentBound.

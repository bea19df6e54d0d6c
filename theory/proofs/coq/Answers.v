(** * From a posterior that concentrates to answers that are right

    The predictor f_n, its error, the hypothesis of the repaired Lemma 1, and the step of Theorem 1 that is common to its
    versions: where the posterior of theta_star tends to 1 geometrically, the error tends to 0 geometrically. *)

From Coq Require Import Reals List Lia Lra Arith.
From Coquelicot Require Import Rbar Rcomplements Lim_seq.
From IB Require Import Sums Models Forward Assembled Expectations Moments Information Lemma1.
Import ListNotations.
Open Scope R_scope.

Section Answers.
Context {C H V : nat} (m : MixtureOfHMMs C H V) (P : PromptLaw H V).
Variable true : nat.
Notation k := (example_length P).
Notation delim := (delimiter m).
Notation D := (delimiter_states m).
Notation star := (concept m true).

(** f_n: any function of the prompt whose value is an argmax of the pretraining law's predictive. *)
Definition is_predictor (f : list (list nat) -> list nat -> nat) : Prop :=
  forall S x, Forall (possible_example P) S -> S <> [] -> In x (words V (k - 1)) ->
  is_argmax V (predictive m (prompt delim S x)) (f S x).

(** P( f_n(x_test) <> y_test ), over n examples and x_test. *)
Definition error (f : list (list nat) -> list nat -> nat) (y_test : list nat -> nat) (n : nat) : R :=
  expect_test P (fun x => expect_examples P n (fun S => if Nat.eq_dec (f S x) (y_test x) then 0 else 1)).

(** y_test: an argmax of p_prompt(y|x). *)
Definition is_target (y_test : list nat -> nat) : Prop :=
  forall x, In x (words V (k - 1)) -> 0 < p_prompt P x -> is_argmax V (p_prompt_next P x) (y_test x).

(** Such predictors and targets exist: take the first argmax. *)
Lemma a_predictor : (0 < V)%nat -> is_predictor (fun S x => argmax V (predictive m (prompt delim S x))).
Proof. intros P0 S x _ _ _. now apply argmax_is_argmax. Qed.

Lemma a_target : (0 < V)%nat -> is_target (fun x => argmax V (p_prompt_next P x)).
Proof. intros P0 x _ _. now apply argmax_is_argmax. Qed.

(** The hypothesis of the repaired Lemma 1 at x: the posteriors of the first state given x differ by less than
    Δ(x)/2 in total variation, whichever delimiter state came before. *)
Definition lemma_1_condition (x : list nat) : Prop :=
  exists y delta, leads V (p_prompt_next P x) y delta /\
  forall d, In d D -> TV H (start_posterior star (start P) x) (start_posterior star (transition star d) x) < delta / 2.

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

Let star_is : is_HMM star := star_valid m true valid true_below.

(** Every test example is possible after every delimiter state. *)
Lemma test_possible d x : In d D -> @tokens V x -> 0 < probability_from star (transition star d) x.
Proof.
  intros I T. pose proof (D_below m d I) as L.
  assert (P5 := c5_pos _ _ _ _ _ _ star_bounds). assert (P6 := c6_pos _ _ _ _ _ _ star_bounds).
  eapply Rlt_le_trans; [| apply (last_tokens m star star_is c1 c5 c6 rho 1); auto; try lra].
  - rewrite Rmult_1_l. apply pow_lt. now apply Rmult_lt_0_compat.
  - intros h Lh. rewrite Rmult_1_l. now apply (c5_bound _ _ _ _ _ _ star_bounds).
  - right. symmetry. now apply transition_total.
Qed.

Lemma prompt_snoc S x y : prompt delim S (x ++ [y]) = prompt delim S x ++ [y].
Proof. unfold prompt. now rewrite app_assoc. Qed.

Lemma prompt_ends_in_a_segment O S :
  Forall (@tokens V) (O :: S) -> exists past, @tokens V past /\
  forall x : list nat, prompt delim (O :: S) x = past ++ delim :: x.
Proof.
  revert O. induction S as [| O' S IH]; intros O F; inversion F; subst.
  - exists O. split; auto. intros y. now rewrite prompt_cons.
  - destruct (IH O' H3) as (past & T & E). exists (O ++ delim :: past). split.
    + apply tokens_app; auto. constructor; auto. apply valid.
    + intros y. rewrite prompt_cons, E, <- app_assoc. reflexivity.
Qed.

(** Under theta_star the target leads by gamma after any examples. *)
Lemma star_leads O S x y gamma :
  Forall (@tokens V) (O :: S) -> @tokens V x ->
  (forall d, In d D -> leads V (next_from star (transition star d) x) y gamma) ->
  forall y', (y < V)%nat -> (y' < V)%nat -> y' <> y ->
  gamma * probability star (prompt delim (O :: S) x)
  <= probability star (prompt delim (O :: S) x ++ [y]) - probability star (prompt delim (O :: S) x ++ [y']).
Proof.
  intros F T LEAD y' L L' NE. rewrite <- !prompt_snoc.
  destruct (prompt_ends_in_a_segment O S F) as (past & TP & E). rewrite !E.
  unfold probability. rewrite !probability_from_app.
  assert (PURE : forall h, (h < H)%nat -> emission star h delim = if delimiter_state m h then 1 else 0)
    by (intros h Lh; now apply a1).
  rewrite !(probability_after_delimiter m star PURE).
  rewrite <- sum_minus, <- sum_scale. apply sum_le. intros d I.
  destruct (LEAD d I) as [_ LD]. specialize (LD y' L' NE). unfold next_from in LD.
  pose proof (test_possible d x I T) as PD.
  assert (N : 0 <= ahead star (initial star) past d).
  { pose proof (D_below m d I). apply ahead_nonneg; auto. intros. now apply star_is. }
  replace (gamma * (ahead star (initial star) past d * probability_from star (transition star d) x))
    with (ahead star (initial star) past d * (gamma * probability_from star (transition star d) x)) by ring.
  rewrite <- Rmult_minus_distr_l. apply Rmult_le_compat_l; auto.
  apply (Rmult_le_compat_r (probability_from star (transition star d) x)) in LD; [| lra].
  rewrite Rmult_plus_distr_r in LD. unfold Rdiv in LD. rewrite !Rmult_assoc, Rinv_l in LD by lra. lra.
Qed.

(** A wrong answer needs a posterior on the wrong concepts that is not small. *)
Lemma wrong_needs_mass w y y' gamma :
  @tokens V w -> (y < V)%nat -> (y' < V)%nat -> 0 < gamma -> 0 < probability star w ->
  gamma * probability star w <= probability star (w ++ [y]) - probability star (w ++ [y']) ->
  predictive m w y <= predictive m w y' ->
  1 <= (1 + gamma) / gamma * (1 - posterior m true w).
Proof.
  intros T L L' G PS LEAD LE. pose proof valid as (LP & HM & _).
  assert (J : 0 < joint m true w) by now apply Rmult_lt_0_compat.
  assert (NJ : forall c u, (c < C)%nat -> @tokens V u -> 0 <= joint m c u).
  { intros c u Lc Tu. apply Rmult_le_pos; [now apply LP |]. apply probability_nonneg; auto. }
  pose proof (fun u => sum_others C true (fun c => joint m c u) true_below) as SPLIT.
  fold (evidence m) in SPLIT.
  set (rest := fun u => Σ c ∈ others C true, joint m c u).
  assert (E : forall u, evidence m u = joint m true u + rest u) by (intros u; apply SPLIT).
  assert (RN : 0 <= rest w).
  { apply sum_nonneg. intros c I. apply in_others in I. now apply NJ. }
  assert (Ry : 0 <= rest (w ++ [y])).
  { apply sum_nonneg. intros c I. apply in_others in I. now apply NJ, token_snoc. }
  assert (Ry' : rest (w ++ [y']) <= rest w).
  { apply sum_le. intros c I. apply in_others in I. apply Rmult_le_compat_l; [now apply LP |].
    unfold probability. rewrite <- (probability_from_next (concept m c) (HM c (proj1 I)) _ w).
    apply (sum_ge_term _ (fun o => probability (concept m c) (w ++ [o]))); [| now apply in_below].
    intros o Io. apply in_below in Io. apply probability_nonneg; [now apply HM | now apply token_snoc]. }
  assert (EP : 0 < evidence m w) by (rewrite E; lra).
  unfold predictive in LE. apply (Rmult_le_compat_r (evidence m w)) in LE; [| lra].
  unfold Rdiv in LE. rewrite !Rmult_assoc, Rinv_l, !Rmult_1_r in LE by lra. rewrite !E in LE.
  assert (GJ : gamma * joint m true w <= joint m true (w ++ [y]) - joint m true (w ++ [y'])).
  { unfold joint. replace (gamma * (prior m true * probability star w))
      with (prior m true * (gamma * probability star w)) by ring.
    rewrite <- Rmult_minus_distr_l. apply Rmult_le_compat_l; lra. }
  assert (Q : gamma * joint m true w <= rest w) by lra.
  unfold posterior. rewrite E. apply Rmult_le_reg_r with (gamma * (joint m true w + rest w)).
  - apply Rmult_lt_0_compat; lra.
  - replace ((1 + gamma) / gamma * (1 - joint m true w / (joint m true w + rest w)) * (gamma * (joint m true w + rest w)))
      with ((1 + gamma) * rest w) by (field; lra). lra.
Qed.

(** One test example: its error is at most a constant times the mass of the wrong concepts. *)
Lemma error_at_one_x f y_test x :
  is_predictor f -> is_target y_test -> In x (words V (k - 1)) -> 0 < p_prompt P x -> lemma_1_condition x ->
  exists gamma, 0 < gamma /\ forall n, (1 <= n)%nat ->
  expect_examples P n (fun S => if Nat.eq_dec (f S x) (y_test x) then 0 else 1)
  <= (1 + gamma) / gamma * expect_examples P n (fun S => 1 - posterior m true (prompt delim S x)).
Proof.
  intros FP FT I PX (y & delta & LEAD & CLOSE). pose proof I as I'. apply words_spec in I'. destruct I' as [_ T].
  assert (YT : y_test x = y).
  { destruct (FT x I PX) as [L A]. destruct LEAD as [Ly LEAD].
    destruct (Nat.eq_dec (y_test x) y) as [E | NE]; auto. exfalso.
    assert (DP : 0 < delta).
    { destruct (D_nonempty m true valid a1 true_below c1 c5 c6 rho star_bounds) as (d & Id).
      pose proof (TV_nonneg H (start_posterior star (start P) x) (start_posterior star (transition star d) x)).
      specialize (CLOSE d Id). lra. }
    specialize (LEAD _ L NE). specialize (A y Ly). lra. }
  (* one gamma for all delimiter states *)
  assert (G : exists gamma, 0 < gamma /\ forall d, In d D -> leads V (next_from star (transition star d) x) y gamma).
  { assert (ONE : forall d, In d D -> exists g, 0 < g /\ leads V (next_from star (transition star d) x) y g).
    { intros d Id. exists (delta - 2 * TV H (start_posterior star (start P) x) (start_posterior star (transition star d) x)).
      split; [specialize (CLOSE d Id); lra |]. unfold p_prompt_next, p_prompt in LEAD. rewrite a4 in LEAD.
      apply lemma_1_by_posterior; auto; [| now apply test_possible]. unfold p_prompt in PX. now rewrite a4 in PX. }
    clear -ONE. induction D as [| d l IH]; [exists 1; split; [lra | simpl; tauto] |].
    destruct IH as (g & Pg & F); [intros; apply ONE; simpl; auto |].
    destruct (ONE d (or_introl eq_refl)) as (g' & Pg' & F').
    exists (Rmin g g'). split; [now apply Rmin_glb_lt |]. intros i [<- | J].
    - destruct F' as [L F']. split; auto. intros y' L' NE. specialize (F' y' L' NE). pose proof (Rmin_r g g'). lra.
    - destruct (F i J) as [L F'']. split; auto. intros y' L' NE. specialize (F'' y' L' NE). pose proof (Rmin_l g g'). lra. }
  destruct G as (gamma & Pg & GL). exists gamma. split; auto. intros n N.
  assert (VH := hmm_valid m P true valid true_below a4).
  rewrite <- expect_examples_scale by auto. apply expect_examples_le; auto. intros S LS F.
  pose proof (examples_tokens P S F) as TS.
  destruct S as [| O S]; [simpl in LS; lia |].
  assert (PS : 0 < probability star (prompt delim (O :: S) x)).
  { now apply (star_prompt_pos m P true valid a1 true_below k_pos c1 c5 c6 rho). }
  assert (TW : @tokens V (prompt delim (O :: S) x)) by now apply prompt_tokens.
  destruct (Nat.eq_dec (f (O :: S) x) (y_test x)) as [E | NE].
  - apply Rmult_le_pos.
    + apply Rmult_le_pos; [lra | left; now apply Rinv_0_lt_compat].
    + pose proof (posterior_le_1 m true valid true_below prior_true _ TW PS). lra.
  - destruct (FP (O :: S) x F ltac:(discriminate) I) as [LF AF].
    assert (Ly : (y < V)%nat) by apply LEAD. rewrite YT in NE.
    apply (wrong_needs_mass _ y (f (O :: S) x)); auto.
    apply (star_leads O S x y gamma); auto.
Qed.

(** Where the posterior of theta_star tends to 1, the repaired Lemma 1 turns it into correct answers. *)
Theorem concentration_suffices f y_test r :
  0 <= r < 1 ->
  (forall x, In x (words V (k - 1)) -> exists A, forall n, (1 <= n)%nat ->
    expect_examples P n (fun S => 1 - posterior m true (prompt delim S x)) <= A * r ^ n) ->
  (forall x, In x (words V (k - 1)) -> 0 < p_prompt P x -> lemma_1_condition x) ->
  is_predictor f -> is_target y_test ->
  exists A', forall n, (1 <= n)%nat -> error f y_test n <= A' * r ^ n.
Proof.
  intros RR POST LC FP FT. pose proof (hmm_valid m P true valid true_below a4) as VH.
  assert (G : forall l, (forall x, In x l -> In x (words V (k - 1))) -> exists A', forall n, (1 <= n)%nat ->
    Σ x ∈ l, p_prompt P x * expect_examples P n (fun S => if Nat.eq_dec (f S x) (y_test x) then 0 else 1) <= A' * r ^ n).
  { induction l as [| x l IH]; intros E; [exists 0; simpl; intros; lra |].
    destruct IH as (A' & F); [intros; apply E; simpl; auto |].
    pose proof (E x (or_introl eq_refl)) as I.
    destruct (p_prompt_word_nonneg P VH valid_start _ _ I) as [Q | Q].
    - destruct (error_at_one_x f y_test x FP FT I Q (LC x I Q)) as (gamma & Pg & B). destruct (POST x I) as (A & PA).
      exists (p_prompt P x * ((1 + gamma) / gamma * A) + A'). intros n N. simpl. rewrite Rmult_plus_distr_r.
      apply Rplus_le_compat; [| auto]. rewrite !Rmult_assoc. apply Rmult_le_compat_l; [lra |].
      eapply Rle_trans; [now apply B |]. apply Rmult_le_compat_l; [| now apply PA].
      apply Rmult_le_pos; [lra | left; now apply Rinv_0_lt_compat].
    - exists A'. intros n N. simpl. rewrite <- Q. specialize (F n N). lra. }
  exact (G (words V (k - 1)) (fun x I => I)).
Qed.

(** The error is a probability: below a vanishing bound it vanishes. *)
Lemma error_tends_to_0 f y_test A r :
  0 <= r < 1 -> (forall n, (1 <= n)%nat -> error f y_test n <= A * r ^ n) -> is_lim_seq (error f y_test) 0.
Proof.
  intros RR B. pose proof (hmm_valid m P true valid true_below a4) as VH.
  apply is_lim_seq_le_le_loc with (u := fun _ => 0) (w := fun n => A * r ^ n).
  - exists 1%nat. intros n N. split; [| now apply B].
    apply sum_nonneg. intros x I. apply Rmult_le_pos; [apply (p_prompt_word_nonneg P VH valid_start _ _ I) |].
    apply Rle_trans with (expect_examples P n (fun _ => 0)).
    + right. symmetry. now apply expect_examples_const.
    + apply expect_examples_le; auto. intros S _ _. destruct Nat.eq_dec; lra.
  - apply is_lim_seq_const.
  - replace (Finite 0) with (Rbar_mult A 0) by (simpl; f_equal; ring).
    apply is_lim_seq_scal_l, is_lim_seq_geom. rewrite Rabs_pos_eq; lra.
Qed.

End Answers.

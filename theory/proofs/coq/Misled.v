(** * When the posterior concentrates on a wrong concept, the predictor errs

    One delimiter state. If every other concept has a negative rate against [wrong], and at some possible x the wrong
    concept answers y_wrong with a lead while the prompt law's answer is another, then the error does not tend to 0: it
    is at least p_prompt(x) minus something geometrically small. *)

From Coq Require Import Reals List Lia Lra Arith.
From Coquelicot Require Import Rbar Rcomplements Lim_seq.
From IB Require Import Sums Models Forward Assembled Expectations Moments Information Lemma1 Rates Answers Sharp.
Import ListNotations.
Open Scope R_scope.

Section Misled.
Context {C H V : nat} (m : MixtureOfHMMs C H V) (P : PromptLaw H V).
Notation k := (example_length P).
Notation delim := (delimiter m).
Variables d wrong : nat.
Hypothesis one_delimiter_state : delimiter_states m = [d].
Hypothesis valid : is_mixture m.
Hypothesis a1 : A1 m.
Hypothesis wrong_below : (wrong < C)%nat.
Hypothesis prior_wrong : 0 < prior m wrong.
Hypothesis valid_start : law H (start P).
Hypothesis valid_hmm : is_HMM (hmm P).
Hypothesis k_pos : (1 <= k)%nat.
Hypothesis wrong_possible :
  forall O, possible_example P O -> 0 < first_segment m wrong O /\ 0 < segment m d wrong O.
Hypothesis rates :
  forall c, In c (others C wrong) -> 0 < prior m c ->
  (exists O, possible_example P O /\ segment m d c O = 0) \/ rate m P d wrong c < 0.
Variables (x : list nat) (y_wrong : nat) (gamma : R).
Hypothesis x_is : In x (words V (k - 1)).
Hypothesis x_possible : 0 < last_segment_probability m d wrong x.
Hypothesis gamma_pos : 0 < gamma.
Hypothesis wrong_answer :
  leads V (next_from (concept m wrong) (transition (concept m wrong) d) x) y_wrong gamma.

Lemma x_tokens : @tokens V x.
Proof. now apply words_spec in x_is. Qed.

Lemma wrong_leads O S y' :
  Forall (possible_example P) (O :: S) -> (y' < V)%nat -> y' <> y_wrong ->
  gamma * probability (concept m wrong) (prompt delim (O :: S) x)
  <= probability (concept m wrong) (prompt delim (O :: S) x ++ [y_wrong])
     - probability (concept m wrong) (prompt delim (O :: S) x ++ [y']).
Proof.
  intros F L NE. destruct wrong_answer as [Ly LEAD]. specialize (LEAD y' L NE).
  rewrite <- !prompt_snoc, !(prompt_probability m d one_delimiter_state valid a1) by auto.
  inversion F as [| ? ? F1 FR]; subst. rewrite Forall_forall in FR.
  destruct (wrong_possible O F1) as [P1 _].
  assert (PR : 0 < product S (segment m d wrong)).
  { apply product_pos. intros w I. now apply wrong_possible, FR. }
  change (product S (fun w => segment m d wrong w)) with (product S (segment m d wrong)).
  set (front := first_segment m wrong O * product S (segment m d wrong)).
  assert (PF : 0 < front) by now apply Rmult_lt_0_compat.
  unfold next_from in LEAD. unfold last_segment_probability in *.
  apply (Rmult_le_compat_r (probability_from (concept m wrong) (transition (concept m wrong) d) x)) in LEAD; [| lra].
  rewrite Rmult_plus_distr_r in LEAD. unfold Rdiv in LEAD. rewrite !Rmult_assoc, Rinv_l in LEAD by lra.
  rewrite <- Rmult_minus_distr_l.
  replace (gamma * (front * probability_from (concept m wrong) (transition (concept m wrong) d) x))
    with (front * (gamma * probability_from (concept m wrong) (transition (concept m wrong) d) x)) by ring.
  apply Rmult_le_compat_l; lra.
Qed.

Theorem misled f y_test :
  is_predictor m P f -> 0 < p_prompt P x -> y_test x <> y_wrong ->
  exists A r, 0 <= r < 1 /\ forall n, (1 <= n)%nat -> p_prompt P x - A * r ^ n <= error P f y_test n.
Proof.
  intros FP PX NE. pose proof x_tokens as XT.
  destruct (sharp_concentrates m P d one_delimiter_state valid a1 wrong wrong_below prior_wrong valid_start valid_hmm
    k_pos wrong_possible rates) as (r & RR & ALL).
  destruct (ALL x x_tokens x_possible) as (A & POST).
  exists (p_prompt P x * ((1 + gamma) / gamma * A)), r. split; auto. intros n N.
  set (missed := fun x S => if Nat.eq_dec (f S x) (y_test x) then 0 else 1).
  (* the error is at least that at this x *)
  apply Rle_trans with (p_prompt P x * expect_examples P n (missed x)).
  2:{ apply (sum_ge_term (words V (k - 1)) (fun x => p_prompt P x * expect_examples P n (missed x))); [| exact x_is].
      intros w I. apply Rmult_le_pos; [apply (p_prompt_word_nonneg P valid_hmm valid_start _ _ I) |].
      apply Rle_trans with (expect_examples P n (fun _ => 0)).
      - right. symmetry. now apply expect_examples_const.
      - apply expect_examples_le; auto. intros S _ _. unfold missed. destruct Nat.eq_dec; lra. }
  (* the right answer needs mass outside the wrong concept *)
  assert (HIT : expect_examples P n (fun S => 1 - missed x S)
                <= (1 + gamma) / gamma * expect_examples P n (fun S => 1 - posterior m wrong (prompt delim S x))).
  { rewrite <- expect_examples_scale by auto. apply expect_examples_le; auto. intros S LS F.
    destruct S as [| O S]; [simpl in LS; lia |].
    pose proof (examples_tokens P _ F) as TS. assert (TW : @tokens V (prompt delim (O :: S) x)) by now apply prompt_tokens.
    assert (PW : 0 < probability (concept m wrong) (prompt delim (O :: S) x)).
    { rewrite (prompt_probability m d one_delimiter_state valid a1) by auto.
      inversion F as [| ? ? F1 FR]; subst. rewrite Forall_forall in FR.
      apply Rmult_lt_0_compat; auto. apply Rmult_lt_0_compat; [now apply wrong_possible |].
      apply product_pos. intros w I. now apply wrong_possible, FR. }
    destruct (FP (O :: S) x F ltac:(discriminate) x_is) as [LF AF]. destruct wrong_answer as [Ly _].
    unfold missed. destruct (Nat.eq_dec (f (O :: S) x) (y_test x)) as [E | W].
    - rewrite Rminus_0_r. assert (NEf : f (O :: S) x <> y_wrong) by congruence.
      apply (wrong_needs_mass m wrong valid wrong_below prior_wrong _ y_wrong (f (O :: S) x)); auto.
      now apply wrong_leads.
    - rewrite Rminus_diag_eq by reflexivity. apply Rmult_le_pos.
      + apply Rmult_le_pos; [lra | left; now apply Rinv_0_lt_compat].
      + pose proof (posterior_le_1 m wrong valid wrong_below prior_wrong _ TW PW). lra. }
  assert (SPLIT : expect_examples P n (fun S => 1 - missed x S) = 1 - expect_examples P n (missed x)).
  { apply Rplus_eq_reg_r with (expect_examples P n (missed x)).
    rewrite <- expect_examples_plus by auto. rewrite (expect_examples_ext P valid_hmm valid_start n _ (fun _ => 1))
      by (intros; ring).
    rewrite expect_examples_const by auto. ring. }
  rewrite SPLIT in HIT. specialize (POST n N).
  assert (Q : 1 - (1 + gamma) / gamma * (A * r ^ n) <= expect_examples P n (missed x)).
  { assert (0 <= (1 + gamma) / gamma) by (apply Rmult_le_pos; [lra | left; now apply Rinv_0_lt_compat]).
    pose proof (Rmult_le_compat_l _ _ _ H0 POST). lra. }
  apply (Rmult_le_compat_l (p_prompt P x)) in Q; [| lra]. lra.
Qed.

Corollary error_does_not_vanish f y_test :
  is_predictor m P f -> 0 < p_prompt P x -> y_test x <> y_wrong -> ~ is_lim_seq (error P f y_test) 0.
Proof.
  intros FP PX NE LIM. destruct (misled f y_test FP PX NE) as (A & r & RR & B).
  assert (G : Rbar_le (p_prompt P x) 0); [| simpl in G; lra].
  apply is_lim_seq_le_loc with (u := fun n => p_prompt P x - A * r ^ n) (v := error P f y_test); auto.
  - exists 1%nat. exact B.
  - replace (Finite (p_prompt P x)) with (Finite (p_prompt P x - A * 0)) by (f_equal; ring).
    apply is_lim_seq_minus'; [apply is_lim_seq_const |].
    replace (Finite (A * 0)) with (Rbar_mult A 0) by reflexivity.
    apply is_lim_seq_scal_l, is_lim_seq_geom. rewrite Rabs_pos_eq; lra.
Qed.

End Misled.

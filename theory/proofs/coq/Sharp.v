(** * One delimiter state: the posterior odds exactly, and the rate that decides where they go

    After the delimiter state d the chain starts afresh from p(.|d), so

    p(S_n,x|theta) = p(O_1,delim|theta) prod_{i>=2} p(O_i,delim|d,theta) p(x|d,theta)

    and every moment of the odds factorises, with equality. rate = E log[ p(O,delim|d,theta) / p(O,delim|d,base) ]. *)

From Coq Require Import Reals List Lia Lra Arith.
From Coquelicot Require Import Rcomplements.
From IB Require Import Sums Models Forward Assembled Expectations Moments Information Rates.
Import ListNotations.
Open Scope R_scope.

Section Sharp.
Context {C H V : nat} (m : MixtureOfHMMs C H V) (P : PromptLaw H V).
Notation k := (example_length P).
Notation delim := (delimiter m).
Variable d : nat.
Hypothesis one_delimiter_state : delimiter_states m = [d].
Hypothesis valid : is_mixture m.
Hypothesis a1 : A1 m.

(** p(O_1, delim | theta_c) at the start of a document, and p(O, delim | d, theta_c) after a delimiter. *)
Definition first_segment (c : nat) (O : list nat) : R := probability (concept m c) (O ++ [delim]).
Definition segment (c : nat) (O : list nat) : R :=
  probability_from (concept m c) (transition (concept m c) d) (O ++ [delim]).
Definition last_segment_probability (c : nat) (x : list nat) : R :=
  probability_from (concept m c) (transition (concept m c) d) x.

Lemma d_below : (d < H)%nat.
Proof. apply (D_below m). rewrite one_delimiter_state. simpl. auto. Qed.

(** The chain starts afresh after a delimiter. *)
Lemma regenerate c a O w :
  (c < C)%nat ->
  probability_from (concept m c) a (O ++ delim :: w)
  = probability_from (concept m c) a (O ++ [delim])
    * probability_from (concept m c) (transition (concept m c) d) w.
Proof.
  intros L. assert (PURE := fun h Lh => a1 c h L Lh).
  rewrite !probability_from_app, !(probability_after_delimiter m (concept m c) PURE), one_delimiter_state. simpl.
  unfold probability_from at 2. simpl. rewrite (transition_total (concept m c)); [ring | now apply valid | apply d_below].
Qed.

Lemma segments_after_delimiter c S x :
  (c < C)%nat ->
  probability_from (concept m c) (transition (concept m c) d) (prompt delim S x)
  = (Π O ∈ S, segment c O) * last_segment_probability c x.
Proof.
  intros L. induction S as [| O S IH].
  - simpl. unfold last_segment_probability. change (prompt delim [] x) with x. ring.
  - rewrite prompt_cons, regenerate, IH by auto. simpl. unfold segment. ring.
Qed.

Theorem prompt_probability c O S x :
  (c < C)%nat ->
  probability (concept m c) (prompt delim (O :: S) x)
  = first_segment c O * (Π O ∈ S, segment c O) * last_segment_probability c x.
Proof.
  intros L. rewrite prompt_cons. unfold probability. rewrite regenerate, segments_after_delimiter by auto.
  unfold first_segment, probability. ring.
Qed.

(** ** Against a base concept that can produce every example *)

Variable base : nat.
Hypothesis base_below : (base < C)%nat.
Hypothesis prior_base : 0 < prior m base.
Hypothesis valid_start : law H (start P).
Hypothesis valid_hmm : is_HMM (hmm P).
Hypothesis k_pos : (1 <= k)%nat.
Hypothesis base_possible : forall O, possible_example P O -> 0 < first_segment base O /\ 0 < segment base O.

Definition segment_ratio (c : nat) (O : list nat) : R := segment c O / segment base O.
Definition first_ratio (c : nat) (O : list nat) : R := first_segment c O / first_segment base O.
Definition last_ratio (c : nat) (x : list nat) : R := last_segment_probability c x / last_segment_probability base x.

(** lim r_n(theta_c), with [base] in the place of theta_star. *)
Definition rate (c : nat) : R := expect_example P (fun O => ln (segment_ratio c O)).

Lemma snoc_delim O : @tokens V O -> @tokens V (O ++ [delim]).
Proof. intros T. apply tokens_app; auto. constructor; [apply valid | constructor]. Qed.

Lemma segment_nonneg c O : (c < C)%nat -> @tokens V O -> 0 <= segment c O.
Proof.
  intros L T. apply probability_from_nonneg; [now apply valid | now apply snoc_delim |].
  intros i Li. apply transition_nonneg; auto using d_below. now apply valid.
Qed.

Lemma first_segment_nonneg c O : (c < C)%nat -> @tokens V O -> 0 <= first_segment c O.
Proof. intros L T. apply probability_nonneg; [now apply valid | now apply snoc_delim]. Qed.

Lemma last_nonneg c x : (c < C)%nat -> @tokens V x -> 0 <= last_segment_probability c x.
Proof.
  intros L T. apply probability_from_nonneg; [now apply valid | auto |].
  intros i Li. apply transition_nonneg; auto using d_below. now apply valid.
Qed.

Lemma example_tokens O : possible_example P O -> @tokens V O.
Proof. intros [I _]. now apply words_spec in I. Qed.

Lemma ratio_nonneg c O : (c < C)%nat -> possible_example P O -> 0 <= segment_ratio c O.
Proof.
  intros L I. apply Rmult_le_pos; [apply segment_nonneg; auto using example_tokens |].
  left. apply Rinv_0_lt_compat. now apply base_possible.
Qed.

Lemma first_ratio_nonneg c O : (c < C)%nat -> possible_example P O -> 0 <= first_ratio c O.
Proof.
  intros L I. apply Rmult_le_pos; [apply first_segment_nonneg; auto using example_tokens |].
  left. apply Rinv_0_lt_compat. now apply base_possible.
Qed.

(** The odds themselves. *)
Lemma odds_factorise c O S x :
  (c < C)%nat -> Forall (possible_example P) (O :: S) -> 0 < last_segment_probability base x ->
  odds m base c (prompt delim (O :: S) x)
  = prior m c / prior m base * (first_ratio c O * ((Π w ∈ S, segment_ratio c w) * last_ratio c x)).
Proof.
  intros L F Q. inversion F as [| ? ? FO FS]; subst. rewrite Forall_forall in FS.
  unfold odds, joint. rewrite !prompt_probability by auto. unfold segment_ratio.
  rewrite product_div by (intros w I; apply Rgt_not_eq; now apply base_possible, FS).
  assert (PP : 0 < product S (segment base)) by (apply product_pos; intros w I; now apply base_possible, FS).
  destruct (base_possible O FO) as [PO _]. unfold first_ratio, last_ratio.
  change (product S (fun x0 => segment base x0)) with (product S (segment base)).
  change (product S (fun x0 => segment c x0)) with (product S (segment c)).
  field. repeat split; lra.
Qed.

(** Every moment of the odds, exactly (the sharp identity of the finite-n theory). *)
Theorem sharp_moments c s n x :
  (c < C)%nat -> @tokens V x -> 0 < last_segment_probability base x ->
  expect_examples P (S n) (fun S => power (odds m base c (prompt delim S x)) s)
  = power (prior m c / prior m base) s
    * expect_example P (fun O => power (first_ratio c O) s)
    * expect_example P (fun O => power (segment_ratio c O) s) ^ n
    * power (last_ratio c x) s.
Proof.
  intros L T Q.
  assert (PC : 0 <= prior m c / prior m base).
  { apply Rmult_le_pos; [now apply valid | left; now apply Rinv_0_lt_compat]. }
  assert (LX : 0 <= last_ratio c x).
  { apply Rmult_le_pos; [now apply last_nonneg | left; now apply Rinv_0_lt_compat]. }
  assert (E : forall S, length S = Datatypes.S n -> Forall (possible_example P) S ->
    power (odds m base c (prompt delim S x)) s
    = match S with [] => 0 | w1 :: rest => power (prior m c / prior m base) s * power (last_ratio c x) s
        * power (first_ratio c w1) s * Π w ∈ rest, power (segment_ratio c w) s end).
  { intros [| O S] LS F; [discriminate |]. rewrite odds_factorise by auto. inversion F as [| ? ? FO FS]; subst.
    rewrite Forall_forall in FS. rewrite <- (power_product S) by (intros; apply ratio_nonneg; auto).
    assert (0 <= Π w ∈ S, segment_ratio c w) by (apply product_nonneg; intros; apply ratio_nonneg; auto).
    assert (0 <= first_ratio c O) by now apply first_ratio_nonneg.
    set (odds0 := prior m c / prior m base) in *.
    rewrite (power_mult odds0), (power_mult (first_ratio c O)), (power_mult (product S _)) by auto using Rmult_le_pos.
    change (product S (fun w => segment_ratio c w)) with (product S (segment_ratio c)). ring. }
  transitivity (expect_examples P (Datatypes.S n) (fun S =>
    match S with [] => 0 | w1 :: rest => power (prior m c / prior m base) s * power (last_ratio c x) s
      * power (first_ratio c w1) s * Π w ∈ rest, power (segment_ratio c w) s end)).
  - apply Rle_antisym; apply expect_examples_le; auto; intros S LS F; right; [| symmetry]; now apply E.
  - simpl. rewrite (expect_example_ext P valid_hmm valid_start _ (fun O =>
      (power (prior m c / prior m base) s * power (last_ratio c x) s
        * expect_example P (fun O => power (segment_ratio c O) s) ^ n) * power (first_ratio c O) s)).
    + rewrite expect_example_scale by auto. ring.
    + intros O _.
      etransitivity; [apply (expect_examples_scale P valid_hmm valid_start n
        (power (prior m c / prior m base) s * power (last_ratio c x) s * power (first_ratio c O) s)
        (fun S => Π w ∈ S, power (segment_ratio c w) s)) |].
      rewrite expect_examples_product by auto. ring.
Qed.

(** ** A negative rate for every other concept: the posterior concentrates on [base] *)

Theorem sharp_concentrates :
  (forall c, In c (others C base) -> 0 < prior m c ->
    (exists O, possible_example P O /\ segment c O = 0) \/ rate c < 0) ->
  exists r, 0 <= r < 1 /\ forall x, @tokens V x -> 0 < last_segment_probability base x ->
  exists A, forall n, (1 <= n)%nat ->
    expect_examples P n (fun S => 1 - posterior m base (prompt delim S x)) <= A * r ^ n.
Proof.
  intros NEG.
  destruct (finite_choice (others C base)
    (fun c s => 0 <= s <= 1 /\ (0 < prior m c -> expect_example P (fun O => power (segment_ratio c O) s) < 1)))
    as (s0 & F).
  { intros c I. pose proof I as J. apply in_others in J. destruct J as [L _].
    destruct (Rlt_dec 0 (prior m c)) as [PC | PC]; [| exists 0; split; [lra | tauto]].
    destruct (small_moment P valid_hmm valid_start (segment_ratio c)) as (s & S & G).
    - intros O IO. now apply ratio_nonneg.
    - destruct (NEG c I PC) as [(O & IO & Z) | N]; [left | now right]. exists O. split; auto.
      unfold segment_ratio. rewrite Z. unfold Rdiv. ring.
    - exists s. split; [lra | auto]. }
  set (s := fun c => Rmin 1 (Rmax 0 (s0 c))).
  assert (SS : forall c, 0 <= s c <= 1).
  { intros c. unfold s. pose proof (Rmin_l 1 (Rmax 0 (s0 c))). split; [| auto]. apply Rmin_glb; [lra | apply Rmax_l]. }
  assert (SE : forall c, In c (others C base) -> s c = s0 c).
  { intros c I. destruct (F c I) as [[? ?] _]. unfold s. rewrite Rmax_right, Rmin_right; lra. }
  set (M := fun c => expect_example P (fun O => power (segment_ratio c O) (s c))).
  assert (EN : forall (f : list nat -> R) t, 0 <= expect_example P (fun O => power (f O) t)).
  { intros f t. apply sum_nonneg. intros O I.
    apply Rmult_le_pos; [apply (p_prompt_word_nonneg P valid_hmm valid_start _ _ I) | apply power_nonneg]. }
  destruct (finite_max (others C base) (fun c => if Rlt_dec 0 (prior m c) then M c else 0)) as (r & RR & MAX).
  { intros c I. destruct Rlt_dec as [PC | PC]; [| lra]. unfold M. rewrite (SE c I). now apply F. }
  (* r > 0, so that r^(n-1) is r^n / r *)
  set (r' := (1 + r) / 2). assert (R' : 0 < r' < 1 /\ r <= r') by (unfold r'; lra).
  exists r'. split; [lra |]. intros x T Q.
  set (A := fun c => power (prior m c / prior m base) (s c)
                     * expect_example P (fun O => power (first_ratio c O) (s c)) * power (last_ratio c x) (s c)).
  assert (AN : forall c, 0 <= A c).
  { intros c. unfold A. repeat apply Rmult_le_pos; auto using power_nonneg. }
  exists (Σ c ∈ others C base, A c / r'). intros n N.
  destruct n as [| n]; [lia |].
  apply Rle_trans with (expect_examples P (S n) (fun S => Σ c ∈ others C base, power (odds m base c (prompt delim S x)) (s c))).
  - apply expect_examples_le; auto. intros S LS G. destruct S as [| O S]; [discriminate |].
    apply one_minus_posterior; auto.
    + apply prompt_tokens; auto. now apply (examples_tokens P).
    + rewrite prompt_probability by auto. inversion G as [| ? ? GO GS]; subst. rewrite Forall_forall in GS.
      apply Rmult_lt_0_compat; auto. apply Rmult_lt_0_compat; [now apply base_possible |].
      apply product_pos. intros w I. now apply base_possible, GS.
  - rewrite expect_examples_sum by auto. rewrite <- sum_scale_r. apply sum_le. intros c I.
    pose proof I as J. apply in_others in J. destruct J as [L _].
    rewrite sharp_moments by auto.
    apply Rle_trans with (A c * M c ^ n); [right; unfold A, M; ring |].
    replace (A c / r' * r' ^ S n) with (A c * r' ^ n) by (simpl; field; lra).
    specialize (MAX c I). simpl in MAX. destruct (Rlt_dec 0 (prior m c)) as [PC | PC].
    + apply Rmult_le_compat_l; [apply AN |]. apply pow_incr. split; [apply EN | lra].
    + assert (Z : A c = 0); [| rewrite Z; lra]. unfold A.
      destruct (proj1 (proj1 valid) c L) as [Q' | Q']; [tauto |].
      rewrite <- Q'. unfold Rdiv. rewrite !Rmult_0_l, power_0. ring.
Qed.

(** ** Why it is called the rate: E[ n r_n ] grows by it with every example *)

(** E log[ p(S_n,x|theta_c) / p(S_n,x|base) ] = (a constant of the first segment) + (n-1) rate + (a constant of x). *)
Theorem expected_log_ratio c n x :
  (c < C)%nat -> @tokens V x -> 0 < last_segment_probability base x -> 0 < last_segment_probability c x ->
  (forall O, possible_example P O -> 0 < first_segment c O /\ 0 < segment c O) ->
  expect_examples P (S n) (fun S => ln (probability (concept m c) (prompt delim S x)
                                        / probability (concept m base) (prompt delim S x)))
  = expect_example P (fun O => ln (first_ratio c O)) + INR n * rate c + ln (last_ratio c x).
Proof.
  intros L T Q Qc PC.
  assert (RP : forall O, possible_example P O -> 0 < first_ratio c O /\ 0 < segment_ratio c O).
  { intros O I. destruct (PC O I), (base_possible O I). split; now apply Rdiv_lt_0_compat. }
  assert (E : forall w1 rest, Forall (possible_example P) (w1 :: rest) ->
    ln (probability (concept m c) (prompt delim (w1 :: rest) x) / probability (concept m base) (prompt delim (w1 :: rest) x))
    = ln (last_ratio c x) + ln (first_ratio c w1) + Σ w ∈ rest, ln (segment_ratio c w)).
  { intros w1 rest F. inversion F as [| ? ? F1 FR]; subst. rewrite Forall_forall in FR.
    rewrite !prompt_probability by auto.
    change (product rest (fun w => segment c w)) with (product rest (segment c)).
    change (product rest (fun w => segment base w)) with (product rest (segment base)).
    destruct (RP w1 F1) as [R1 _]. destruct (base_possible w1 F1) as [B1 _].
    assert (PP : forall w, In w rest -> 0 < segment_ratio c w) by (intros w I; apply RP, FR, I).
    assert (PB : forall w, In w rest -> 0 < segment base w) by (intros w I; apply base_possible, FR, I).
    replace (first_segment c w1 * product rest (segment c) * last_segment_probability c x
             / (first_segment base w1 * product rest (segment base) * last_segment_probability base x))
      with (first_ratio c w1 * (product rest (segment_ratio c) * last_ratio c x)).
    - assert (PR : 0 < product rest (segment_ratio c)) by now apply product_pos.
      assert (PL : 0 < last_ratio c x) by now apply Rdiv_lt_0_compat.
      rewrite !ln_mult by (auto; now apply Rmult_lt_0_compat). rewrite ln_product by auto.
      change (sum rest (fun w => ln (segment_ratio c w))) with (Σ w ∈ rest, ln (segment_ratio c w)). ring.
    - assert (N : 0 < product rest (segment base)) by now apply product_pos.
      unfold first_ratio, last_ratio. replace (product rest (segment_ratio c))
        with (product rest (segment c) / product rest (segment base)).
      + field. repeat split; lra.
      + symmetry. apply product_div. intros w I. apply Rgt_not_eq. now apply PB. }
  assert (G : forall w1, possible_example P w1 ->
    expect_examples P n (fun S => ln (probability (concept m c) (prompt delim (w1 :: S) x)
                                      / probability (concept m base) (prompt delim (w1 :: S) x)))
    = ln (last_ratio c x) + ln (first_ratio c w1) + INR n * rate c).
  { intros w1 I. rewrite (expect_examples_ext P valid_hmm valid_start n _
      (fun S => ln (last_ratio c x) + ln (first_ratio c w1) + Σ w ∈ S, ln (segment_ratio c w))).
    - rewrite expect_examples_plus, expect_examples_const, expect_examples_total by auto. reflexivity.
    - intros S _ F. now apply E, Forall_cons. }
  simpl. rewrite (expect_example_ext P valid_hmm valid_start _
    (fun w1 => ln (first_ratio c w1) + (ln (last_ratio c x) + INR n * rate c))).
  - rewrite expect_example_plus, expect_example_const by auto. ring.
  - intros w1 I. rewrite G by auto. ring.
Qed.

End Sharp.

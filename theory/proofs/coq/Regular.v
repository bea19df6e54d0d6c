(** * The instance [regular] meets every hypothesis of the repaired Theorem 1 at k = 2

    Seven states that are the tokens, 0 the delimiter; five concepts, each of which is the true one in turn. *)

From Coq Require Import Reals List Lia Lra Arith.
From Coquelicot Require Import Rcomplements.
From IB Require Import Logarithms.
From IB Require Import Sums Models Forward Assembled Expectations Moments Information Lemma1 Rates
  Answers Theorem1 Tables RegularTables.
Import ListNotations.
Open Scope R_scope.

Notation theta c := (concept mixture c).

Ltac values := cbv [mixture prompt_law concept_0 concept_1 concept_2 concept_3 concept_4 vector matrix nth prior concept
  delimiter delimiter_state initial transition emission hmm start example_length sum below seq existsb Nat.eqb orb].

Lemma valid : is_mixture mixture.
Proof.
  split; [| split; [| cbn; lia]].
  - split; [every; values; lra | values; lra].
  - every.
    all: split; [split; [every; values; lra | values; lra] |].
    all: split; every; (split; [every; values; lra | values; lra]).
Qed.

Lemma valid_concept c : (c < 5)%nat -> is_HMM (theta c).
Proof. apply valid. Qed.

Lemma valid_start t : law 7 (start (prompt_law t)).
Proof. split; [every; values; lra | values; lra]. Qed.

Lemma D_is_0 : delimiter_states mixture = [0%nat].
Proof. reflexivity. Qed.

Lemma identity c : (c < 5)%nat -> identity_emission (theta c).
Proof.
  intros L. split; [reflexivity |]. revert c L. every.
  all: intros h o L; revert h L; every; destruct o as [| [| [| [| [| [| [| o]]]]]]]; values; try reflexivity.
  all: destruct o; reflexivity.
Qed.

Lemma a1 : A1 mixture.
Proof. intros c h L. revert c L h. every; every; values; lra. Qed.

Lemma star_bounds t : (t < 5)%nat -> star_constants mixture (theta t) (1/10) (3/400) 1 (4/10).
Proof.
  intros L. constructor; try lra.
  - rewrite D_is_0. intros h d Lh [<- | []]. revert t L h Lh. every; every; values; lra.
  - intros h h' Lh Lh'. revert t L h Lh h' Lh'. every; every; every; values; lra.
  - intros o Lo. exists o. split; [exact Lo |]. revert t L o Lo. every; every; values; lra.
  - rewrite D_is_0. revert t L. every; every; values; lra.
Qed.

Lemma other_bounds c : (c < 5)%nat -> other_constants mixture (theta c) (1/10) 4.
Proof.
  intros L. constructor; try lra.
  - rewrite D_is_0. intros h d Lh [<- | []]. revert c L h Lh. every; every; values; lra.
  - rewrite D_is_0. revert c L. every; every; values; lra.
Qed.

(** ** Probabilities *)

Lemma two_value c a o o' : (c < 5)%nat -> (o < 7)%nat -> (o' < 7)%nat ->
  probability_from (theta c) a [o; o'] = a o * transition (theta c) o o'.
Proof. intros. apply identity_two; auto; [now apply identity | now apply valid_concept]. Qed.

Lemma one_value c a o : (c < 5)%nat -> (o < 7)%nat -> probability_from (theta c) a [o] = a o.
Proof. intros. apply identity_one; auto; [now apply identity | now apply valid_concept]. Qed.

Lemma initial_pos c o : (c < 5)%nat -> (o < 7)%nat -> 0 < initial (theta c) o.
Proof. intros L Lo. revert c L o Lo. every; every; values; lra. Qed.

Lemma transition_pos c o o' : (c < 5)%nat -> (o < 7)%nat -> (o' < 7)%nat -> 0 < transition (theta c) o o'.
Proof.
  intros L Lo Lo'. pose proof (c5_bound _ _ _ _ _ _ (star_bounds c L) o o' Lo Lo'). lra.
Qed.

Lemma possible c : (c < 5)%nat -> forall t O, possible_example (prompt_law t) O -> 0 < probability (theta c) O.
Proof.
  intros L t O [I _]. change (example_length (prompt_law t)) with 2%nat in I. revert O I. every_word.
  all: unfold probability; rewrite two_value by lia; apply Rmult_lt_0_compat;
    [apply initial_pos; lia | apply transition_pos; lia].
Qed.

(** ** The repaired condition: sum_j KL_j - KL(p_prompt || p(.|theta_star)) is a finite sum of logarithms *)

Lemma two_tokens (f : list nat -> R) : Σ w ∈ words 7 2, f w = Σ o ∈ below 7, Σ o' ∈ below 7, f [o; o'].
Proof. cbv [words flat_map map app below seq sum]. ring. Qed.

Lemma same_start c t o : (c < 5)%nat -> (t < 5)%nat -> initial (theta c) o = initial (theta t) o.
Proof. intros L Lt. revert c L t Lt. every; every; reflexivity. Qed.

Lemma KL_difference t c : (t < 5)%nat -> (c < 5)%nat ->
  KL_sum (prompt_law t) (theta c) - KL_words (prompt_law t) (theta t) 2
  = Σ o ∈ seq 1 6, start (prompt_law t) o
      * Σ o' ∈ below 7, transition (theta t) o o' * ln (transition (theta t) o o' / transition (theta c) o o').
Proof.
  intros Lt L.
  rewrite (chain_rule (prompt_law t) (theta c)); [| now apply valid_concept | now apply (valid_concept t)
    | apply valid_start | intros w I Q; apply (possible c L t); now split].
  unfold KL_words. change (example_length (prompt_law t)) with 2%nat. rewrite <- sum_minus, two_tokens.
  transitivity (Σ o ∈ below 7, start (prompt_law t) o
      * Σ o' ∈ below 7, transition (theta t) o o' * ln (transition (theta t) o o' / transition (theta c) o o')).
  2:{ change (below 7) with (0%nat :: seq 1 6) at 1. cbn [sum]. replace (start (prompt_law t) 0%nat) with 0 by reflexivity. ring. }
  apply sum_ext. intros o I. apply in_below in I. rewrite <- sum_scale. apply sum_ext. intros o' I'. apply in_below in I'.
  unfold p_prompt, probability. change (hmm (prompt_law t)) with (theta t). rewrite !two_value by auto.
  rewrite (same_start c t) by auto.
  pose proof (initial_pos t o Lt I). pose proof (transition_pos t o o' Lt I I'). pose proof (transition_pos c o o' L I I').
  destruct (proj1 (valid_start t) o I) as [Q | Q].
  - rewrite !ln_div by (auto; now apply Rmult_lt_0_compat). rewrite !ln_mult by auto. ring.
  - rewrite <- Q. ring.
Qed.

Lemma condition t c : (t < 5)%nat -> In c (others 5 t) ->
  repaired_condition mixture (prompt_law t) t c (1/10) (4/10) (1/10) 4.
Proof.
  intros Lt I. right. change (example_length (prompt_law t)) with 2%nat.
  assert (L : (c < 5)%nat) by now apply in_others in I.
  assert (G : ln (1/10 / (1/10)) + ln (4 / (4/10))
              < KL_sum (prompt_law t) (theta c) - KL_words (prompt_law t) (theta t) 2); [| lra].
  rewrite KL_difference by auto. clear L. revert t Lt c I. every; intros c I.
  all: revert c I; refine (each_in _ _ _); cbn [others filter below seq Nat.eqb negb];
    repeat apply Forall_cons; try apply Forall_nil; values; logarithms.
Qed.

(** ** Lemma 1's condition: at k = 2 the token tells the state, so both posteriors are certain of it *)

Lemma posterior_is_certain c a o h : (c < 5)%nat -> (o < 7)%nat -> 0 < a o ->
  start_posterior (theta c) a [o] h = if (o =? h)%nat then 1 else 0.
Proof.
  intros L Lo Q. unfold start_posterior, likelihood. rewrite !one_value by auto. unfold certain.
  destruct (Nat.eqb_spec o h) as [-> | NE]; field; lra.
Qed.

Lemma after_delimiter_pos t o : (t < 5)%nat -> (o < 7)%nat -> 0 < transition (theta t) 0 o.
Proof. intros. apply transition_pos; auto. lia. Qed.

Lemma lemma_1 t x : (t < 5)%nat -> In x (words 7 1) -> 0 < p_prompt (prompt_law t) x ->
  lemma_1_condition mixture (prompt_law t) t x.
Proof.
  intros Lt I Q. apply words_spec in I. destruct I as [LX TX].
  destruct x as [| o [| ? ?]]; try discriminate. inversion TX as [| ? ? Lo _]; subst.
  unfold p_prompt in Q. change (hmm (prompt_law t)) with (theta t) in Q. rewrite one_value in Q by auto.
  assert (LEAD : exists y, leads 7 (transition (theta t) o) y (76/100)).
  { assert (NZ : o <> 0%nat) by (intros ->; revert Q; values; lra).
    exists (1 + (o - 1 + (t + 1)) mod 6)%nat. clear Q TX LX. revert t Lt o Lo NZ. every; every; intros NZ; try lia.
    all: cbn [Nat.modulo Nat.divmod Nat.add Nat.sub fst snd]; (split; [lia |]); every; intros NE; try lia; values; lra. }
  destruct LEAD as (y & Ly & LEAD). exists y, (76/100). split.
  - split; auto. intros y' L' NE. unfold p_prompt_next, p_prompt. change (hmm (prompt_law t)) with (theta t). simpl app.
    rewrite !two_value, one_value by auto. specialize (LEAD y' L' NE).
    replace (start (prompt_law t) o * transition (theta t) o y' / start (prompt_law t) o) with (transition (theta t) o y')
      by (field; lra).
    replace (start (prompt_law t) o * transition (theta t) o y / start (prompt_law t) o) with (transition (theta t) o y)
      by (field; lra). exact LEAD.
  - rewrite D_is_0. intros d [<- | []].
    assert (Z : TV 7 (start_posterior (theta t) (start (prompt_law t)) [o])
                     (start_posterior (theta t) (transition (theta t) 0) [o]) = 0); [| rewrite Z; lra].
    unfold TV. rewrite sum_zero; [ring |]. intros h _.
    rewrite !posterior_is_certain by (auto using after_delimiter_pos). rewrite Rminus_diag_eq, Rabs_R0; reflexivity.
Qed.

(** ** So the repaired Theorem 1 applies: f_n is right in the limit, whichever concept is the true one *)

Theorem regular_meets_the_hypotheses t : (t < 5)%nat -> repaired_hypotheses mixture (prompt_law t) t.
Proof.
  intros Lt.
  assert (PR : 0 < prior mixture t) by (revert t Lt; every; values; lra).
  assert (K1 : (1 <= example_length (prompt_law t))%nat) by (cbn; lia).
  exists (1/10), (3/400), 1, (4/10). split.
  - refine (conj valid (conj (valid_start t) (conj K1 (conj a1 (conj Lt (conj eq_refl (conj PR
      (conj (star_bounds t Lt) (conj (possible t Lt t) _))))))))).
    intros x I Q. now apply lemma_1.
  - intros c I _. exists (1/10), 4. split; [apply other_bounds; now apply in_others in I | now apply condition].
Qed.

Theorem regular_learns t : (t < 5)%nat -> learns mixture (prompt_law t).
Proof. intros Lt. exact (repaired_theorem_1 _ _ t (regular_meets_the_hypotheses t Lt)). Qed.

(** * Facts about the forward sum: it is linear and monotone in the start law, shrinks along a sequence, and splits
    at a delimiter. *)

From Coq Require Import Reals List Lia Lra Arith.
From IB Require Import Sums Models.
Import ListNotations.
Open Scope R_scope.

Section Forward.
Context {H V : nat} (theta : HMM H V).

(** Only the values of a start law below H matter. *)
Lemma ahead_ext a b w h :
  (forall i, (i < H)%nat -> a i = b i) -> (h < H)%nat -> ahead theta a w h = ahead theta b w h.
Proof.
  revert a b. induction w as [| o w IH]; simpl; intros a b E L; [auto |].
  apply IH; auto. intros i _. unfold step. apply sum_ext. intros j J.
  apply in_below in J. rewrite E; auto.
Qed.

Lemma probability_from_ext a b w :
  (forall i, (i < H)%nat -> a i = b i) -> probability_from theta a w = probability_from theta b w.
Proof.
  intros E. apply sum_ext. intros h I. apply in_below in I. now apply ahead_ext.
Qed.

Lemma ahead_app a u w : ahead theta a (u ++ w) = ahead theta (ahead theta a u) w.
Proof. apply fold_left_app. Qed.

Lemma probability_from_app a u w :
  probability_from theta a (u ++ w) = probability_from theta (ahead theta a u) w.
Proof. unfold probability_from. now rewrite ahead_app. Qed.

Lemma ahead_scale c a w h :
  (h < H)%nat -> ahead theta (fun i => c * a i) w h = c * ahead theta a w h.
Proof.
  revert a. induction w as [| o w IH]; simpl; intros a L; [reflexivity |].
  rewrite <- IH by auto. apply ahead_ext; auto. intros i _. unfold step.
  rewrite <- sum_scale. apply sum_ext. intros. lra.
Qed.

Lemma probability_from_scale c a w :
  probability_from theta (fun i => c * a i) w = c * probability_from theta a w.
Proof.
  unfold probability_from. rewrite <- sum_scale. apply sum_ext.
  intros h I. apply in_below in I. now apply ahead_scale.
Qed.

(** A mixture of start laws gives the mixture of the probabilities. *)
Lemma ahead_mixture {A} (l : list A) (weight : A -> R) (a : A -> nat -> R) w h :
  (h < H)%nat ->
  ahead theta (fun i => Σ x ∈ l, weight x * a x i) w h = Σ x ∈ l, weight x * ahead theta (a x) w h.
Proof.
  revert a. induction w as [| o w IH]; simpl; intros a L; [reflexivity |].
  rewrite <- IH by auto. apply ahead_ext; auto. intros i _. unfold step.
  rewrite (sum_ext (below H) _ (fun j => Σ x ∈ l, weight x * (a x j * emission theta j o * transition theta j i))).
  - rewrite sum_swap. apply sum_ext. intros x _. apply sum_scale.
  - intros j _. rewrite Rmult_assoc, <- sum_scale_r. apply sum_ext. intros. lra.
Qed.

Lemma probability_from_mixture {A} (l : list A) (weight : A -> R) (a : A -> nat -> R) w :
  probability_from theta (fun i => Σ x ∈ l, weight x * a x i) w
  = Σ x ∈ l, weight x * probability_from theta (a x) w.
Proof.
  unfold probability_from. rewrite (sum_ext (below H) _ (fun h => Σ x ∈ l, weight x * ahead theta (a x) w h)).
  - rewrite sum_swap. apply sum_ext. intros x _. apply sum_scale.
  - intros h I. apply in_below in I. now apply ahead_mixture.
Qed.

Hypothesis valid : is_HMM theta.

Lemma transition_nonneg h h' : (h < H)%nat -> (h' < H)%nat -> 0 <= transition theta h h'.
Proof. intros. apply valid; auto. Qed.

Lemma transition_total h : (h < H)%nat -> Σ h' ∈ below H, transition theta h h' = 1.
Proof. intros. apply valid; auto. Qed.

Lemma emission_nonneg h o : (h < H)%nat -> (o < V)%nat -> 0 <= emission theta h o.
Proof. intros. apply valid; auto. Qed.

Lemma emission_le_1 h o : (h < H)%nat -> (o < V)%nat -> emission theta h o <= 1.
Proof.
  intros L M. destruct valid as (_ & _ & E). destruct (E h L) as [N T]. rewrite <- T.
  apply (sum_ge_term (below V) (emission theta h)).
  - intros y I. apply in_below in I. auto.
  - now apply in_below.
Qed.

Lemma emission_total h : (h < H)%nat -> Σ o ∈ below V, emission theta h o = 1.
Proof. intros. apply valid; auto. Qed.

(** The tokens of [w] are tokens. *)
Definition tokens (w : list nat) : Prop := Forall (fun o => (o < V)%nat) w.

Lemma step_le a b o h' :
  (h' < H)%nat -> (o < V)%nat -> (forall h, (h < H)%nat -> a h <= b h) -> step theta a o h' <= step theta b o h'.
Proof.
  intros L M E. apply sum_le. intros h I. apply in_below in I.
  apply Rmult_le_compat_r; [now apply transition_nonneg |].
  apply Rmult_le_compat_r; [now apply emission_nonneg | auto].
Qed.

Lemma ahead_le a b w h :
  tokens w -> (h < H)%nat -> (forall i, (i < H)%nat -> a i <= b i) -> ahead theta a w h <= ahead theta b w h.
Proof.
  revert a b. induction w as [| o w IH]; simpl; intros a b T L E; [auto |].
  inversion T; subst. apply IH; auto. intros i I. now apply step_le.
Qed.

Lemma probability_from_le a b w :
  tokens w -> (forall i, (i < H)%nat -> a i <= b i) -> probability_from theta a w <= probability_from theta b w.
Proof.
  intros T E. apply sum_le. intros h I. apply in_below in I. now apply ahead_le.
Qed.

Lemma ahead_nonneg a w h :
  tokens w -> (h < H)%nat -> (forall i, (i < H)%nat -> 0 <= a i) -> 0 <= ahead theta a w h.
Proof.
  intros T L E.
  replace 0 with (ahead theta (fun i => 0 * a i) w h).
  - apply ahead_le; auto. intros i I. specialize (E i I). lra.
  - rewrite ahead_scale; auto; lra.
Qed.

Lemma probability_from_nonneg a w :
  tokens w -> (forall i, (i < H)%nat -> 0 <= a i) -> 0 <= probability_from theta a w.
Proof.
  intros T E. apply sum_nonneg. intros h I. apply in_below in I. now apply ahead_nonneg.
Qed.

(** Summing out the state after a token leaves the emission. *)
Lemma step_total a o : Σ h' ∈ below H, step theta a o h' = Σ h ∈ below H, a h * emission theta h o.
Proof.
  unfold step. rewrite sum_swap. apply sum_ext. intros h I. apply in_below in I.
  rewrite sum_scale, transition_total by auto. lra.
Qed.

(** More tokens are never more probable. *)
Lemma step_total_le a o :
  (o < V)%nat -> (forall i, (i < H)%nat -> 0 <= a i) -> Σ h' ∈ below H, step theta a o h' <= Σ h ∈ below H, a h.
Proof.
  intros M E. rewrite step_total. apply sum_le. intros h I. apply in_below in I.
  pose proof (emission_le_1 h o I M). specialize (E h I). nra.
Qed.

Lemma step_nonneg a o h :
  (h < H)%nat -> (o < V)%nat -> (forall i, (i < H)%nat -> 0 <= a i) -> 0 <= step theta a o h.
Proof.
  intros L M E. apply sum_nonneg. intros i I. apply in_below in I.
  apply Rmult_le_pos; [apply Rmult_le_pos |]; auto using emission_nonneg, transition_nonneg.
Qed.

Lemma probability_from_le_total a w :
  tokens w -> (forall i, (i < H)%nat -> 0 <= a i) -> probability_from theta a w <= Σ h ∈ below H, a h.
Proof.
  revert a. induction w as [| o w IH]; intros a T E.
  - unfold probability_from. simpl. lra.
  - inversion T; subst. change (probability_from theta a (o :: w)) with (probability_from theta (step theta a o) w).
    eapply Rle_trans; [apply IH | apply step_total_le]; auto. intros i I. now apply step_nonneg.
Qed.

(** The next token is some token. *)
Lemma probability_from_next a w :
  Σ o ∈ below V, probability_from theta a (w ++ [o]) = probability_from theta a w.
Proof.
  rewrite (sum_ext (below V) _ (fun o => Σ h ∈ below H, ahead theta a w h * emission theta h o)).
  - rewrite sum_swap. unfold probability_from. apply sum_ext. intros h I. apply in_below in I.
    rewrite sum_scale, emission_total by auto. lra.
  - intros o _. rewrite probability_from_app. unfold probability_from. simpl. apply step_total.
Qed.

(** After one token or more, the next state is d with probability between the extremes of p(d|h). *)
Lemma ahead_last_upper a w o d c2 :
  tokens w -> (o < V)%nat -> (forall i, (i < H)%nat -> 0 <= a i) ->
  (forall h, (h < H)%nat -> transition theta h d <= c2) ->
  ahead theta a (w ++ [o]) d <= c2 * probability_from theta a (w ++ [o]).
Proof.
  intros T M E B. rewrite probability_from_app, ahead_app. unfold probability_from. simpl.
  rewrite step_total, <- sum_scale. apply sum_le. intros h I. apply in_below in I.
  rewrite (Rmult_comm c2). apply Rmult_le_compat_l; [| auto].
  apply Rmult_le_pos; [now apply ahead_nonneg | now apply emission_nonneg].
Qed.

Lemma ahead_last_lower a w o d c1 :
  tokens w -> (o < V)%nat -> (forall i, (i < H)%nat -> 0 <= a i) ->
  (forall h, (h < H)%nat -> c1 <= transition theta h d) ->
  c1 * probability_from theta a (w ++ [o]) <= ahead theta a (w ++ [o]) d.
Proof.
  intros T M E B. rewrite probability_from_app, ahead_app. unfold probability_from. simpl.
  rewrite step_total, <- sum_scale. apply sum_le. intros h I. apply in_below in I.
  rewrite (Rmult_comm c1). apply Rmult_le_compat_l; [| auto].
  apply Rmult_le_pos; [now apply ahead_nonneg | now apply emission_nonneg].
Qed.

Lemma probability_nonneg w : tokens w -> 0 <= probability theta w.
Proof. intros T. apply probability_from_nonneg; auto. intros i I. now apply valid. Qed.

Lemma probability_le_1 w : tokens w -> probability theta w <= 1.
Proof.
  intros T. destruct valid as [[N S] _]. rewrite <- S. apply probability_from_le_total; auto.
Qed.

End Forward.

Lemma tokens_app {V} (u w : list nat) : @tokens V u -> @tokens V w -> @tokens V (u ++ w).
Proof. apply (fun a b => proj2 (Forall_app _ u w) (conj a b)). Qed.

Lemma tokens_app_inv {V} (u w : list nat) : @tokens V (u ++ w) -> @tokens V u /\ @tokens V w.
Proof. apply Forall_app. Qed.

Lemma words_spec V k w : In w (words V k) <-> length w = k /\ @tokens V w.
Proof.
  revert w. induction k as [| k IH]; simpl; intros w.
  - split.
    + intros [<- | []]. split; [reflexivity | constructor].
    + intros [L _]. left. symmetry. now apply length_zero_iff_nil.
  - rewrite in_flat_map. split.
    + intros (o & I & J). apply in_below in I. apply in_map_iff in J. destruct J as (u & <- & J).
      apply IH in J. destruct J. split; [simpl; lia | now constructor].
    + intros [L T]. destruct w as [| o w]; [discriminate |]. inversion T; subst.
      exists o. split; [now apply in_below |]. apply in_map, IH. split; [simpl in L; lia | auto].
Qed.

(** All continuations of k tokens together have the probability of what they continue. *)
Lemma words_total {H V} (theta : HMM H V) a k :
  is_HMM theta -> Σ w ∈ words V k, probability_from theta a w = Σ h ∈ below H, a h.
Proof.
  intros valid. revert a. induction k as [| k IH]; simpl; intros a.
  - unfold probability_from. simpl. lra.
  - rewrite sum_flat_map. erewrite sum_ext.
    2:{ intros o _. rewrite sum_map. simpl. apply (IH (step theta a o)). }
    pose proof (probability_from_next theta valid a []) as N. simpl in N.
    unfold probability_from in N. simpl in N. exact N.
Qed.

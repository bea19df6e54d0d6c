(** * The objects of the theory, under the names they have in the Python package.

    One concept ([HMM]), the pretraining law ([MixtureOfHMMs]) and the prompt law ([PromptLaw]) of
    Xie et al. 2022, section 2. Sizes are parameters of the types, as the axes of the arrays are in Python:
    C concepts, H hidden states, V tokens. States, tokens and concepts are the numbers below H, V and C; a law is
    a function on numbers, of which only the values below its size are ever used. *)

From Coq Require Import Reals List Lia Lra Arith.
From IB Require Import Sums.
Import ListNotations.
Open Scope R_scope.

(** [p] is a probability law on the numbers below [n]. *)
Definition law (n : nat) (p : nat -> R) : Prop :=
  (forall i, (i < n)%nat -> 0 <= p i) /\ Σ i ∈ below n, p i = 1.

(** One concept: start law p(h|θ) of a document, kernel p(h'|h,θ), emission p(o|h,θ). *)
Record HMM (H V : nat) := {
  initial : nat -> R;
  transition : nat -> nat -> R;
  emission : nat -> nat -> R
}.
Arguments initial {H V}. Arguments transition {H V}. Arguments emission {H V}.

Definition is_HMM {H V} (theta : HMM H V) : Prop :=
  law H (initial theta) /\
  (forall h, (h < H)%nat -> law H (transition theta h)) /\
  (forall h, (h < H)%nat -> law V (emission theta h)).

(** The pretraining law: a document draws a concept from the prior, then runs that concept's HMM. [delimiter] is a
    token; [delimiter_state h] says whether the state h belongs to D. *)
Record MixtureOfHMMs (C H V : nat) := {
  prior : nat -> R;
  concept : nat -> HMM H V;
  delimiter : nat;
  delimiter_state : nat -> bool
}.
Arguments prior {C H V}. Arguments concept {C H V}.
Arguments delimiter {C H V}. Arguments delimiter_state {C H V}.

Definition is_mixture {C H V} (m : MixtureOfHMMs C H V) : Prop :=
  law C (prior m) /\ (forall c, (c < C)%nat -> is_HMM (concept m c)) /\ (delimiter m < V)%nat.

(** D, as a list. *)
Definition delimiter_states {C H V} (m : MixtureOfHMMs C H V) : list nat := filter (delimiter_state m) (below H).

(** The law of a prompt's examples: k tokens of the concept [hmm] started from h ~ [start]. *)
Record PromptLaw (H V : nat) := {
  hmm : HMM H V;
  start : nat -> R;
  example_length : nat
}.
Arguments hmm {H V}. Arguments start {H V}. Arguments example_length {H V}.

(** ** Probability of tokens: the forward sum *)

(** If [a h] = p(past, next state = h) then [step theta a o h'] = p(past, o, the state after = h'). *)
Definition step {H V} (theta : HMM H V) (a : nat -> R) (o : nat) : nat -> R :=
  fun h' => Σ h ∈ below H, a h * emission theta h o * transition theta h h'.

(** p(w, state after w | first state ~ a). *)
Definition ahead {H V} (theta : HMM H V) (a : nat -> R) (w : list nat) : nat -> R := fold_left (step theta) w a.

(** p(w | first state ~ a, theta). *)
Definition probability_from {H V} (theta : HMM H V) (a : nat -> R) (w : list nat) : R :=
  Σ h ∈ below H, ahead theta a w h.

(** p(w | theta): a document starts from the concept's own start law. *)
Definition probability {H V} (theta : HMM H V) (w : list nat) : R := probability_from theta (initial theta) w.

(** ** Prompts, posterior and predictive of the pretraining law *)

(** S_n followed by x: every example is followed by one delimiter token. *)
Definition prompt (delim : nat) (examples : list (list nat)) (x : list nat) : list nat :=
  concat (map (fun O => O ++ [delim]) examples) ++ x.

Section Pretraining.
Context {C H V : nat} (m : MixtureOfHMMs C H V).

(** p(theta_c, w), p(w), p(theta_c | w) and p(y | w). *)
Definition joint (c : nat) (w : list nat) : R := prior m c * probability (concept m c) w.
Definition evidence (w : list nat) : R := Σ c ∈ below C, joint c w.
Definition posterior (c : nat) (w : list nat) : R := joint c w / evidence w.
Definition predictive (w : list nat) (y : nat) : R := evidence (w ++ [y]) / evidence w.

(** Posterior odds of theta_c against theta_true. *)
Definition odds (true c : nat) (w : list nat) : R := joint c w / joint true w.

End Pretraining.

(** ** The prompt law: finite expectations over examples *)

(** All sequences of k tokens. *)
Fixpoint words (V k : nat) : list (list nat) :=
  match k with
  | 0%nat => [[]]
  | S k => flat_map (fun o => map (cons o) (words V k)) (below V)
  end.

Section Prompts.
Context {H V : nat} (P : PromptLaw H V).

(** p_prompt(w). *)
Definition p_prompt (w : list nat) : R := probability_from (hmm P) (start P) w.

(** p_prompt(y|x). *)
Definition p_prompt_next (x : list nat) (y : nat) : R := p_prompt (x ++ [y]) / p_prompt x.

(** E f(O) for one example O of k tokens. *)
Definition expect_example (f : list nat -> R) : R :=
  Σ O ∈ words V (example_length P), p_prompt O * f O.

(** E f(O_1, ..., O_n) for n independent examples. *)
Fixpoint expect_examples (n : nat) (f : list (list nat) -> R) : R :=
  match n with
  | 0%nat => f []
  | S n => expect_example (fun O => expect_examples n (fun examples => f (O :: examples)))
  end.

(** E f(x) for x_test, the first k-1 tokens of an example. *)
Definition expect_test (f : list nat -> R) : R :=
  Σ x ∈ words V (example_length P - 1), p_prompt x * f x.

End Prompts.

(** ** The hypotheses *)

Section Hypotheses.
Context {C H V : nat} (m : MixtureOfHMMs C H V).

(** A1: delimiter states emit the delimiter with probability 1, and no other state can emit it. *)
Definition A1 : Prop :=
  forall c h, (c < C)%nat -> (h < H)%nat ->
  emission (concept m c) h (delimiter m) = if delimiter_state m h then 1 else 0.

(** Constants of the repaired bound. For theta_star: c1 <= p(d|h) and rho p(h) <= sum_d p(h|d) ... *)
Record star_constants (theta : HMM H V) (c1 c5 c6 rho : R) : Prop := {
  c1_pos : 0 < c1;
  c1_bound : forall h d, (h < H)%nat -> In d (delimiter_states m) -> c1 <= transition theta h d;
  c5_pos : 0 < c5;
  c5_bound : forall h h', (h < H)%nat -> (h' < H)%nat -> c5 <= transition theta h h';
  c6_pos : 0 < c6;
  c6_bound : forall o, (o < V)%nat -> exists h, (h < H)%nat /\ c6 <= emission theta h o;
  rho_pos : 0 < rho;
  rho_bound : forall h, (h < H)%nat -> rho * initial theta h <= Σ d ∈ delimiter_states m, transition theta d h
}.

(** ... and for any other concept theta: p(d|h) <= c2 and sum_d p(h|d) <= R p(h). *)
Record other_constants (theta : HMM H V) (c2 R_theta : R) : Prop := {
  c2_pos : 0 < c2;
  c2_bound : forall h d, (h < H)%nat -> In d (delimiter_states m) -> transition theta h d <= c2;
  R_pos : 0 < R_theta;
  R_bound : forall h, (h < H)%nat -> Σ d ∈ delimiter_states m, transition theta d h <= R_theta * initial theta h
}.

End Hypotheses.

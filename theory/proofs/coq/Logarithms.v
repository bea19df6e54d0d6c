(** * Inequalities between logarithms of fractions, by interval arithmetic on the integers

    The tactic [interval] of coq-interval encloses a real expression in an interval with floating-point ends. It is
    instantiated here with floating-point numbers made of Coq's own integers, so that the proofs rest on no axioms
    about the machine's arithmetic: only on those of the real numbers. *)

From Coq Require Import Reals.
From Interval Require Import Tactic.
From Interval Require Import Float.Specific_stdz Float.Specific_ops.

Module IntegerFloats := SpecificFloat StdZRadix2.
Module IntegerIntervals := IntervalTactic IntegerFloats.
Import IntegerIntervals.

Ltac logarithms := interval with (i_prec 40).

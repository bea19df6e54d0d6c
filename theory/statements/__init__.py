"""The paper's statements, evaluated: ``assumptions`` (A1-A5), ``conditions`` (printed, repaired, sharp), ``theorems``.

``repaired`` proves the repaired bound step by step, ``limits`` says where the predictor ends up, ``finite_sample*`` how
many examples are enough, ``diagnosis`` what to change for a theorem to apply, ``fisher`` and ``theorem_2`` take a
continuous family. A verdict is True, False or "undetermined".
"""

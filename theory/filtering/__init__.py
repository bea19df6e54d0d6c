"""The forward recursion: evidence, posterior over concepts and predictive after every prefix.

Begin at ``filter`` (``filter_mixture``, ``filter_concepts``). ``dispatch`` chooses among ``host`` (NumPy, small),
``scaled`` (JAX, dense or by the states that can emit a token), ``log_domain`` (immune to underflow) and ``compiled``
(machine code). ``streaming`` takes documents in chunks, ``state_beliefs`` gives beliefs over states, and
``concept_blocks`` and ``markov_families`` take many concepts.
"""

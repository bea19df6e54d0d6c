"""In-context learning as implicit Bayesian inference, computed exactly on mixtures of hidden Markov models.

The rooms are links to the repository's four folders: theory, simulators, lm and benchmarks, in the order in which they
import one another.
"""

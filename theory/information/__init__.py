"""Exact expectations over what a law can draw: sums of KL, rates, moments, supports, entropies.

``kl.kl_sum`` is Condition 1's signal and ``rates.log_likelihood_rate`` the limit of r_n. Both expand the prefixes that
have positive probability and merge those whose filters agree (``expansion``), or sample them with intervals that hold
at every size (``sampled_means``). ``supports`` and ``survival`` say what a concept forbids, ``bracket`` bounds rates
where several delimiter states leave the past open, ``decomposition`` says what a token costs Bayes.
"""

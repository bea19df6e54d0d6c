"""A model's distance from Bayes. ``measure.gap`` runs every measure; each has a file of its own.

``loss`` (nats a token), ``context`` (in-context accuracy), ``implied`` (the posterior that its answers imply),
``bayesianity`` (the martingale), ``probes`` and ``intervention`` (activations), ``laws`` (bounds no model can break).
"""

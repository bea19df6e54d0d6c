"""Everything that is checked on one instance. ``verify.verify`` runs it, ``cost`` says beforehand what it takes.

``evaluate`` calls the theory, ``store`` writes results.json and results.nc; ``page``, ``figures`` and ``tables`` show
them.
"""

"""Cells of work that are computed once, here or on a cluster: ``cells``, the ``tasks`` they name, ``run``."""

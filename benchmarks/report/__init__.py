"""The house's figures and pages: ``house`` (style), ``layout``, ``pictures``, ``panels`` (drawing), ``page``, ``build``
(HTML).

``findings`` is what an experiment says, as it is stored and read again.
"""

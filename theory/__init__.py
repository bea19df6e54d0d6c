"""Mathematical objects and exact computation: HMMs, their mixtures, the prompt law, the filter, the theorems.

``objects`` <- ``filtering`` <- ``information`` <- ``statements`` <- ``proofs`` and ``programs``; ``strategies`` (extra
``test``) draws instances for property tests. Names are imported when they are first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

"""What everything else is about: ``models.HMM``, ``models.MixtureOfHMMs`` (the pretraining law), ``prompts.PromptLaw``.

``families.ConceptFamily`` is the continuous Theta, ``edges.EdgeProcess`` a process that emits on its edges. ``checks``
holds what users bring to the mathematics (``ModelError``), ``precision`` runs JAX in float64 for one call.
"""

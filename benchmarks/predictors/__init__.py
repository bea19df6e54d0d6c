"""Whatever answers a prompt: exact, smoothed and prompt-aware Bayes, language models by name, references.

``curves.in_context_curves`` measures their accuracy against n, ``paired`` their loss on the same documents.
"""

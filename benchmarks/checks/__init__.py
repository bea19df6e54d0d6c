"""Every law that a causal model must obey, by name (``language_model``), and a mixture's identities (``instances``)."""

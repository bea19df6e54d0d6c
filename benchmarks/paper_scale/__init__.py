"""The paper's own sizes, trained on an accelerator in minutes: ``python -m implicit_bayes.benchmarks.paper_scale``."""

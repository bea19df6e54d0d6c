"""Language models: Transformer and LSTM, their training, checkpoints and shipped weights.

What is Bayes-optimal is asked in one place only, for models that are taught it (``lm.targets``); measurements come in
from outside (``lm.train.train(evaluate=...)``).
"""

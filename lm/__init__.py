"""Language models: Transformer and LSTM, their training, checkpoints and shipped weights.

Nothing here knows what is Bayes-optimal; measurements come in from outside (``lm.train.train(evaluate=...)``).
"""

"""Language models trained on documents of the pretraining law (Transformer, LSTM); none are built yet."""

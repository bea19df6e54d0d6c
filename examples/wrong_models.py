"""Models that are wrong in ways that are easy to make, each caught by the check that is meant for it:

    implicit-bayes check examples/wrong_models.py:sees_the_next_token --instance regular
    implicit-bayes check examples/wrong_models.py:honest --instance regular

All are exact Bayes of the instance ``regular`` with one thing spoilt, so that nothing else gives them away.
"""

import numpy as np

from implicit_bayes import load_instance


class honest:
    """Exact Bayes by the forward recursion: obeys every law."""

    def __init__(self):
        self.name = type(self).__name__
        mixture = load_instance("regular").mixture
        self.start = mixture.prior[:, None] * mixture.initial
        self.transition, self.emission = mixture.transition, mixture.emission

    def log_probabilities(self, tokens):
        belief, laws = np.broadcast_to(self.start, (len(tokens), *self.start.shape)), []
        for t in range(tokens.shape[1] + 1):
            laws.append((belief @ self.emission).sum(1))  # p(o_{t+1} | o_1..o_t)
            if t < tokens.shape[1]:
                belief = belief * self.emission[:, tokens[:, t]].T[:, None]
                belief = np.einsum("bch,chg->bcg", belief / belief.sum((1, 2), keepdims=True), self.transition)
        return np.log(np.stack(laws, axis=1))


class sees_the_next_token(honest):
    """causality: row t is a mixture with the law that knows token t, as after a shift by one in the wrong direction."""

    def log_probabilities(self, tokens):
        law = np.exp(super().log_probabilities(tokens))
        law[:, :-1] = 0.9 * law[:, :-1] + 0.1 * np.eye(law.shape[-1])[tokens]
        return np.log(law)


class unnormalised(honest):
    """normalised: logits, their log-softmax forgotten, from the twelfth token on."""

    def log_probabilities(self, tokens):
        log_law = super().log_probabilities(tokens)
        log_law[:, 12:] += 0.3
        return log_law


class sees_its_batch(honest):
    """batch-independence: every document's law is mixed with the mean over the batch."""

    def log_probabilities(self, tokens):
        law = np.exp(super().log_probabilities(tokens))
        return np.log(0.9 * law + 0.1 * law.mean(0))


class cuts_the_past(honest):
    """context-limits: only the last 32 tokens are read, and nothing says so."""

    context_length = 32

    def log_probabilities(self, tokens):
        length = self.context_length
        log_law = super().log_probabilities(tokens[:, :length])
        later = [super(cuts_the_past, self).log_probabilities(tokens[:, t - length : t])[:, -1:]
                 for t in range(length + 1, tokens.shape[1] + 1)]  # fmt: skip
        return np.concatenate([log_law, *later], axis=1)


class cuts_the_end(honest):
    """context-limits: what comes after 64 tokens is dropped, and the last law repeated."""

    def log_probabilities(self, tokens):
        log_law = super().log_probabilities(tokens[:, :64])
        return np.concatenate([log_law, np.repeat(log_law[:, -1:], max(0, tokens.shape[1] - 64), axis=1)], axis=1)


class cuts_the_beginning(honest):
    """context-limits: of a long document only the last 64 tokens are read, and the laws before them are uniform."""

    def log_probabilities(self, tokens):
        log_law = super().log_probabilities(tokens[:, -64:])
        missing = tokens.shape[1] + 1 - log_law.shape[1]
        uniform = np.full((len(tokens), missing, log_law.shape[2]), -np.log(log_law.shape[2]))
        return np.concatenate([uniform, log_law], axis=1)


class nan_after_200_tokens(honest):
    """finite: something overflows in long documents."""

    def log_probabilities(self, tokens):
        log_law = super().log_probabilities(tokens)
        log_law[:, 201:] = np.nan
        return log_law


class draws(honest):
    """determinism: something like dropout is left on."""

    def __init__(self):
        super().__init__()
        self.random = np.random.default_rng(0)

    def log_probabilities(self, tokens):
        log_law = super().log_probabilities(tokens)
        return renormalised(log_law * self.random.uniform(0.9, 1.1, log_law.shape))


class counts_from_the_end(honest):
    """position-offsets: laws are made flatter by how far they lie from the end of the question."""

    def log_probabilities(self, tokens):
        log_law = super().log_probabilities(tokens)
        from_the_end = np.arange(log_law.shape[1])[::-1, None]
        return renormalised(log_law / (1 + 0.001 * from_the_end))


class overwrites_its_input(honest):
    """input-unchanged: the tokens that it was handed are gone afterwards."""

    def log_probabilities(self, tokens):
        log_law = super().log_probabilities(tokens)
        tokens[:] = 0
        return log_law


class wrong_vocabulary(honest):
    """shape: one token too many."""

    def log_probabilities(self, tokens):
        log_law = super().log_probabilities(tokens) - np.log(2.0)
        return np.concatenate([log_law, np.full((*log_law.shape[:2], 1), -np.log(2.0))], axis=-1)


def renormalised(log_law):
    """Laws of scores: the softmax, in logarithms."""
    return log_law - np.log(np.exp(log_law).sum(-1, keepdims=True))


CAUGHT_BY = {
    "honest": set(),
    "sees_the_next_token": {"causality", "loss-above-bayes", "ville", "no-foresight"},
    "unnormalised": {"normalised"},
    "sees_its_batch": {"batch-independence"},
    "cuts_the_past": {"context-limits"},
    "cuts_the_end": {"context-limits"},
    "cuts_the_beginning": {"context-limits", "position-offsets"},
    "nan_after_200_tokens": {"finite"},
    "draws": {"determinism"},
    "counts_from_the_end": {"position-offsets"},
    "overwrites_its_input": {"input-unchanged"},
    "wrong_vocabulary": {"shape"},
}
"""What breaks, by model: one law each, but that who sees the next token also wins more than Bayes can, and that a
beginning which is cut in long questions is there in short ones."""

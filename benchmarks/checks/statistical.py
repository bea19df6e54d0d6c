"""Checks against exact Bayes on documents of the instance: what no model can do better than the law that wrote them.

Three of them are statistical. Each fails a model that obeys the law with probability ALPHA at most, for losses of any
tail and documents of any number, by an e-process and not by a normal limit (``benchmarks.gap.laws``). Laws that do not
quite sum to one are divided by their sums first, so that what ``normalised`` judges is judged there alone.
"""

from implicit_bayes.benchmarks.checks.answers import Outcome
from implicit_bayes.benchmarks.checks.subject import Subject
from implicit_bayes.benchmarks.gap.laws import ALPHA, LawCheck, document_laws

LEAK = "it knows something of the token that it is asked for, or was not asked about the tokens it is scored on"
MEANS = {
    "excess ≥ 0": f"its loss lies below that of exact Bayes, by more than chance allows: {LEAK}",
    "Ville": f"it wins more against exact Bayes in one document than any law can: {LEAK}",
    "no foresight": f"tokens that come are more probable under it than its own laws let expect: {LEAK}",
    "g(risk) ≤ KL": "its guesses are wrong more often than its distance from Bayes allows: the arithmetic is off",
}
HOLDS = {
    "excess ≥ 0": "no document's worth of luck brings its loss below Bayes': minus the excess, nats a token",
    "Ville": "largest log-likelihood ratio to Bayes along any document",
    "no foresight": "log of the e-value against foresight",
    "g(risk) ≤ KL": "g of its excess 0-1 risk against its mean KL from Bayes",
}


def judged(subject: Subject, law: str) -> Outcome:
    """One of ``document_laws`` on the subject's documents.

    Args:
        subject: the model under examination and its answers.
        law: one of ``document_laws``, by its name.

    Returns:
        Outcome: "undetermined" where the model gives no law after any token.
    """
    if subject.loss is None:
        return Outcome("undetermined", "there is no law after any token")
    documents = len(subject.tokens_BxT)
    found: LawCheck = next(row for row in document_laws(subject.loss, documents) if row.law == law)
    tokens = subject.loss.tokens // documents
    words = HOLDS[law] if found.holds else MEANS[law]
    if tokens < subject.reach.tokens:
        words += f" (on the first {tokens} tokens of each document, where there are laws)"
    return Outcome(found.holds, words, found.value, found.bound)


__all__ = ["ALPHA", "judged"]

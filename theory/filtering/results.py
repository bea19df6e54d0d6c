"""What the exact filter answers: evidence, posterior and predictive after each prefix, of the mixture or by concept."""

from typing import NamedTuple

from implicit_bayes.theory.objects.types import Array, Bool, Float, Int


class MixtureFilter(NamedTuple):
    """Everything Bayes knows after each prefix o_1..o_t of each document.

    The position axis P runs over prefix lengths t (0..T unless chosen). Where ``defined`` is False the prefix has
    probability zero under every concept of positive prior: there is no posterior, ``log_posterior`` is -inf
    throughout and ``predictive`` is 0 throughout (neither sums to one, so neither can be taken for a law).

    Attributes:
        log_evidence: log p(o_1..o_t | theta_c), nats; -inf where impossible.
        log_posterior: log p(theta_c | o_1..o_t), nats; keeps its own scale per concept, so that a losing concept
            stays finite far below exp underflow.
        defined: whether the posterior exists.
        predictive: p(o_{t+1} = v | o_1..o_t), mixture over concepts.
        first_impossible: 0-based index of the first token whose prefix has probability zero; T where there is none.
    """

    log_evidence: Float[Array, "*batch P C"]
    log_posterior: Float[Array, "*batch P C"]
    defined: Bool[Array, "*batch P"]
    predictive: Float[Array, "*batch P V"]
    first_impossible: Int[Array, "*batch"]


class ConceptFilter(NamedTuple):
    """What each concept says after each prefix o_1..o_t, no prior involved.

    Attributes:
        log_evidence: log p(o_1..o_t | theta_c), nats; -inf where impossible.
        predictive: p(o_{t+1} = v | o_1..o_t, theta_c); 0 throughout where the prefix is impossible under c.
    """

    log_evidence: Float[Array, "*batch P C"]
    predictive: Float[Array, "*batch P C V"]

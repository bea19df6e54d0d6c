"""Sequences of an instance in fractions: what p_prompt can draw, and the joint laws of tokens and last state."""

import itertools
from collections.abc import Sequence
from fractions import Fraction

from implicit_bayes.theory.objects.checks import ModelError
from implicit_bayes.theory.proofs.exact_instance import ExactInstance, Row

MAX_EXAMPLES = 20_000
"""Prefixes of examples that the enumeration may expand to."""


def example_masses(each: ExactInstance, length: int) -> list[tuple[tuple[int, ...], Fraction]]:
    """Every sequence that p_prompt can draw with its probability, prefixes of probability 0 cut off.

    Args:
        each: the instance, in fractions.
        length: tokens.

    Returns:
        (tokens, probability) pairs, each sequence once, probabilities in sum 1.

    Raises:
        ModelError: more than MAX_EXAMPLES prefixes.
    """
    alive: list[tuple[tuple[int, ...], Row]] = [((), each.start)]
    for position in range(length):
        if len(alive) * len(each.tokens) > MAX_EXAMPLES:
            raise ModelError(f"k: {each.length} needs more than {MAX_EXAMPLES} exact prefixes; lower k")
        grown = []
        for (tokens, ahead), token in itertools.product(alive, each.tokens):
            joint = hear_token(each, each.true, ahead, token)
            if any(joint):
                grown.append(
                    ((*tokens, token), joint if position == length - 1 else next_state(each, each.true, joint))
                )
        alive = grown
    return [(tokens, sum(joint, Fraction(0))) for tokens, joint in alive]


def sequence_laws(each: ExactInstance, c: int, start: Row, tokens: Sequence[int]) -> Row:
    """(H,) p(tokens, state of the last one) under concept c from a start law.

    Args:
        each: the instance, in fractions.
        c: the concept's place.
        start: (H,) the first state's law.
        tokens: at least one.

    Returns:
        H fractions, in sum the sequence's probability.
    """
    joint = hear_token(each, c, start, tokens[0])
    for token in tokens[1:]:
        joint = hear_token(each, c, next_state(each, c, joint), token)
    return joint


def hear_token(each: ExactInstance, c: int, law: Row, token: int) -> Row:
    """(H,) p(state, token) under concept c from the state's law.

    Args:
        each: the instance, in fractions.
        c: the concept's place.
        law: (H,) of the state.
        token: what is heard.

    Returns:
        H fractions.
    """
    return tuple(p * emits[token] for p, emits in zip(law, each.emission[c], strict=True))


def next_state(each: ExactInstance, c: int, joint: Row) -> Row:
    """(H,) the law (or mass) of the next state under concept c.

    Args:
        each: the instance, in fractions.
        c: the concept's place.
        joint: (H,) of the state.

    Returns:
        H fractions, with the same sum as ``joint``.
    """
    active = [(p, row) for p, row in zip(joint, each.transition[c], strict=True) if p]
    return tuple(sum((p * row[g] for p, row in active), Fraction(0)) for g in each.states)

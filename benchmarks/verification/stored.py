"""results.json as a schema: what the pages need of it, which is less than it holds."""

from typing import Annotated, Literal

import msgspec

from implicit_bayes.simulators.stored import Count, Schema, Share, Text

REMEDY = "run verify again"
Number: Schema = float | Literal["inf", "-inf", "nan"]
Verdict: Schema = bool | Text


class StoredInstance(msgspec.Struct):
    """results.json, ``instance``.

    Attributes:
        name: of the instance.
        concepts: C.
        states: H.
        vocabulary: V.
        seed: of what was sampled.
    """

    name: Text
    concepts: Count
    states: Count
    vocabulary: Count
    seed: int | None = None


class StoredAssumption(msgspec.Struct):
    """results.json, one of ``assumptions``.

    Attributes:
        name: A1 to A5.
        holds: the verdict.
        constants: by name.
        witness: where it holds or fails, in words.
    """

    name: Text
    holds: Verdict
    constants: dict[str, Number | None]
    witness: Text


class StoredCondition(msgspec.Struct):
    """results.json, one of ``conditions``.

    Attributes:
        k: example length.
        true_concept: index of theta*.
        concept: index of theta.
        kl_sum: sum over the example's tokens of KL(theta* || theta), nats.
        eps_start: log(1/c8), nats.
        eps_delim_printed: 2 log(c2/c1) + log(c4/c3), nats, as the paper has it.
        start_kl: KL( p_prompt(O) || p(O | theta*) ), nats.
        eps_delim_repaired: log(c2/c1) + a_theta, nats; inf where A1 fails.
        printed_holds: verdict of the paper's condition.
        repaired_holds: verdict of the repaired condition.
        sharp_holds: verdict of the sharp condition.
        rate: limit of the log odds an example, nats.
    """

    k: Count
    true_concept: Count
    concept: Count
    kl_sum: Number
    eps_start: Number
    eps_delim_printed: Number
    start_kl: Number
    eps_delim_repaired: Number
    printed_holds: Verdict
    repaired_holds: Verdict
    sharp_holds: Verdict
    rate: Number | None = None


class StoredTheorem(msgspec.Struct):
    """results.json, one of ``theorems``.

    Attributes:
        name: of the theorem.
        version: printed, repaired or sharp.
        applies: whether its premises hold.
        vacuous: whether its bound says nothing.
        conclusion: in words.
        bound: where it has a number.
    """

    name: Text
    version: Text
    applies: Verdict
    vacuous: Verdict
    conclusion: Text
    bound: Number | None = None


class StoredPoint(msgspec.Struct):
    """results.json, one of ``curves``.

    Attributes:
        predictor: its name.
        k: example length.
        n: number of examples.
        undefined_share: of prompts without an answer.
        prompts: how many there are.
        accuracy: share right of the prompts with an answer.
        standard_error: of the accuracy.
        epsilon: of the smoothing, where there is one.
    """

    predictor: Text
    k: Count
    n: Count
    undefined_share: Share
    prompts: Count
    accuracy: Share | None = None
    standard_error: float | None = None
    epsilon: float | None = None


class StoredLoss(msgspec.Struct):
    """results.json, ``bayes``.

    Attributes:
        cross_entropy: of exact Bayes, nats a token.
        standard_error: of that mean over documents.
    """

    cross_entropy: Number
    standard_error: Number


class StoredVerification(msgspec.Struct):
    """What the page needs of results.json, which holds more.

    Attributes:
        instance: sizes and name.
        assumptions: A1 to A5.
        conditions: of every (k, theta*, theta).
        theorems: in every version.
        critical_k: by version, the smallest tested k at which it holds for every pair.
        curves: accuracies.
        bayes: loss of exact Bayes.
    """

    instance: StoredInstance
    assumptions: list[StoredAssumption]
    conditions: list[StoredCondition]
    theorems: list[StoredTheorem]
    critical_k: dict[str, Count | None]
    curves: Annotated[list[StoredPoint], msgspec.Meta(min_length=1)]
    bayes: StoredLoss

"""results.json as a schema: what the pages need of it, which is less than it holds."""

from typing import Annotated, Literal

import msgspec

from implicit_bayes.simulators.stored import Count, Schema, Share, Text

REMEDY = "run verify again"
Number: Schema = float | Literal["inf", "-inf", "nan"]
Verdict: Schema = bool | Text


class StoredInstance(msgspec.Struct):
    """results.json, ``instance``."""

    name: Text
    concepts: Count
    states: Count
    vocabulary: Count
    seed: int | None = None


class StoredAssumption(msgspec.Struct):
    """results.json, one of ``assumptions``."""

    name: Text
    holds: Verdict
    constants: dict[str, Number | None]
    witness: Text


class StoredCondition(msgspec.Struct):
    """results.json, one of ``conditions``."""

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
    """results.json, one of ``theorems``."""

    name: Text
    version: Text
    applies: Verdict
    vacuous: Verdict
    conclusion: Text
    bound: Number | None = None


class StoredPoint(msgspec.Struct):
    """results.json, one of ``curves``."""

    predictor: Text
    k: Count
    n: Count
    undefined_share: Share
    prompts: Count
    accuracy: Share | None = None
    standard_error: float | None = None
    epsilon: float | None = None


class StoredLoss(msgspec.Struct):
    """results.json, ``bayes``."""

    cross_entropy: Number
    standard_error: Number


class StoredVerification(msgspec.Struct):
    """What the page needs of results.json, which holds more."""

    instance: StoredInstance
    assumptions: list[StoredAssumption]
    conditions: list[StoredCondition]
    theorems: list[StoredTheorem]
    critical_k: dict[str, Count | None]
    curves: Annotated[list[StoredPoint], msgspec.Meta(min_length=1)]
    bayes: StoredLoss

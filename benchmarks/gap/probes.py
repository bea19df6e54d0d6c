"""Belief probes: is what Bayes knows linearly readable from a network's hidden activations?

Ridge regression (scikit-learn) from the activations of each layer, after every token, to two exact targets:

    log posterior    log p(c | o_1..o_t) for every concept c, cut off at -FLOOR nats
    state belief     p(h_t | o_1..o_t) for every hidden state h

R2 = 1 - sum |y - y_hat|^2 / sum |y - y_train|^2 over held-out documents, all outputs and positions together, y_train
the training mean. A probe says something only above its controls, read off by the very same regression:

    untrained     the same layer of the same architecture with fresh weights (a reservoir remembers too)
    last token    nothing but the last token, one-hot
    shuffled      the model's activations against the targets of other documents at the same positions

The margin is R2 less the largest control's; its interval comes from resampling the held-out documents, which keeps the
pairing. It conditions on the fitted probes.

Source: Alain & Bengio 2017 (linear probes); Hewitt & Liang 2019 (control tasks); Shai et al. 2024 (belief states).
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from implicit_bayes.lm.model import CanBeUntrained, ShowsActivations
from implicit_bayes.theory import MixtureOfHMMs, ModelError
from implicit_bayes.theory.filtering.state_beliefs import state_beliefs

FLOOR = 10.0
"""Nats below 0 at which log posteriors are cut off: beyond it a concept is ruled out, and on GINC exactly so."""
TARGETS = ("log posterior", "state belief")
CONTROLS = ("untrained", "last token", "shuffled")
PENALTIES = (1.0, 1e2, 1e3, 1e4, 1e5)
"""Ridge penalties to choose from (features are standardised): fitted on three quarters of the training documents,
judged on the others, then fitted again on all. Leaving out single tokens instead would flatter small penalties, since
the tokens of a document have one concept."""
RESAMPLES = 1000
"""Bootstrap resamples of the held-out documents."""
FRESH = 8_000_000
"""Added to the seed for the weights of the untrained control: other weights than those of the model ``untrained``."""


class Estimate(NamedTuple):
    """A number with its 95% percentile interval.

    Attributes:
        value: on all documents.
        low: 2.5% quantile over resamples of the documents.
        high: 97.5% quantile.
    """

    value: float
    low: float
    high: float


class Probe(NamedTuple):
    """One layer, one target.

    Attributes:
        target: what is read off.
        layer: 1 is the lowest.
        r2: of the model, held out.
        untrained, last_token, shuffled: of the controls; untrained is nan where the model cannot be had untrained.
        margin: r2 less the largest of the controls that there are.
    """

    target: str
    layer: int
    r2: Estimate
    untrained: Estimate
    last_token: Estimate
    shuffled: Estimate
    margin: Estimate


class Beliefs(NamedTuple):
    """Documents with the exact targets after each token.

    Attributes:
        tokens_BxT: the documents.
        log_posterior_BxTxC: over concepts, nats, cut off at -FLOOR.
        state_BxTxH: law of the hidden state.
        train_B: the documents that probes are fitted on.
    """

    tokens_BxT: np.ndarray
    log_posterior_BxTxC: np.ndarray
    state_BxTxH: np.ndarray
    train_B: np.ndarray


def exact_beliefs(mixture: MixtureOfHMMs, tokens_BxT: np.ndarray) -> Beliefs:
    """The targets on documents of the mixture; the first two thirds of the documents are for fitting.

    Args:
        mixture: the pretraining law.
        tokens_BxT: documents drawn from it.

    Returns:
        Log posterior over concepts and law of the hidden state after every token.
    """
    found = state_beliefs(mixture, tokens_BxT)
    train = np.arange(len(tokens_BxT)) < max(1, 2 * len(tokens_BxT) // 3)
    return Beliefs(tokens_BxT, np.maximum(found.log_posterior_BxTxC, -FLOOR), found.law_BxTxH, train)


def probe(
    model: ShowsActivations, beliefs: Beliefs, seed: int, advance: Callable[[int], None] = lambda layers: None
) -> list[Probe]:
    """Every layer against every target, with controls.

    Args:
        model: a language model that shows its activations; one that can also be untrained has that control too.
        beliefs: of ``exact_beliefs``, two documents at least.
        seed: of the fresh weights, the shuffling and the resampling.
        advance: called with the layers just done.

    Returns:
        One Probe for each target and layer.
    """
    generator = np.random.default_rng((seed, 8))
    trained = activations(model, beliefs.tokens_BxT)
    untrained: Sequence[np.ndarray | None] = [None] * len(trained)
    fresh = model.untrained(seed + FRESH) if isinstance(model, CanBeUntrained) else None
    if isinstance(fresh, ShowsActivations):
        untrained = activations(fresh, beliefs.tokens_BxT)
    token = np.eye(int(beliefs.tokens_BxT.max()) + 1, dtype=np.float32)[beliefs.tokens_BxT]
    moved = _shuffle(beliefs.train_B, generator)
    targets = (beliefs.log_posterior_BxTxC, beliefs.state_BxTxH)
    of_token = _errors(token, targets, beliefs.train_B)
    rows: dict[str, list[Probe]] = {name: [] for name in TARGETS}
    for layer, (features, control) in enumerate(zip(trained, untrained, strict=True), start=1):
        found = _errors(features, targets, beliefs.train_B)
        of_fresh = [None] * len(targets) if control is None else _errors(control, targets, beliefs.train_B)
        of_shuffled = _errors(features, tuple(target[moved] for target in targets), beliefs.train_B)
        for name, *errors in zip(TARGETS, found, of_fresh, of_token, of_shuffled, strict=True):
            rows[name].append(summarise(name, layer, errors, generator))
        advance(1)
    return [row for name in TARGETS for row in rows[name]]


def activations(model: ShowsActivations, tokens_BxT: np.ndarray) -> list[np.ndarray]:
    """(B, T, D) of every layer after each token.

    Args:
        model: asked.
        tokens_BxT: documents.

    Returns:
        An array for each layer, the lowest first.

    Raises:
        ModelError: a layer of another shape, or with a number that is not finite.
    """
    layers = [np.asarray(layer) for layer in model.activations(tokens_BxT)]
    name = getattr(model, "name", type(model).__name__)
    if not layers:
        raise ModelError(f"model: {name} shows no layer; let activations return one array at least")
    for i, layer in enumerate(layers, start=1):
        if layer.ndim != 3 or layer.shape[:2] != tokens_BxT.shape:
            asked = f"({tokens_BxT.shape[0]}, {tokens_BxT.shape[1]}, D), one row for each token"
            raise ModelError(f"model: {name} shows activations of shape {layer.shape} in layer {i}; return {asked}")
        if not np.isfinite(layer).all():
            raise ModelError(f"model: {name} shows activations in layer {i} that are not finite")
    return layers


def _shuffle(train_B: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A permutation of the documents within the training set, and within the held-out set, that leaves none in place
    (a cyclic shift of a random order)."""
    moved = np.arange(len(train_B))
    for part in (np.flatnonzero(train_B), np.flatnonzero(~train_B)):
        order = generator.permutation(part)
        moved[order] = np.roll(order, 1)
    return moved


class Errors(NamedTuple):
    """Squared errors of one probe on the held-out documents, summed over tokens and components.

    Attributes:
        probe_B: of the probe.
        mean_B: of the mean over the training documents.
    """

    probe_B: np.ndarray
    mean_B: np.ndarray


def _errors(features_BxTxD: np.ndarray, targets: Sequence[np.ndarray], train_B: np.ndarray) -> list[Errors]:
    """Fit on the training documents, each target with its own penalty."""
    train, held = np.flatnonzero(train_B), np.flatnonzero(~train_B)
    out = []
    for target in targets:
        wrong = read_off(features_BxTxD, target, train_B) - target[held]
        off = target[held] - target[train].mean((0, 1))
        out.append(Errors((wrong**2).sum((1, 2)), (off**2).sum((1, 2))))
    return out


def read_off(features_BxTxD: np.ndarray, target_BxTxK: np.ndarray, train_B: np.ndarray) -> np.ndarray:
    """What a probe fitted on the training documents says of the others, in their order: (held out, T, K).

    Args:
        features_BxTxD: activations after each token.
        target_BxTxK: exact values to predict.
        train_B: the documents to fit on; a quarter of them chooses the ridge penalty.

    Returns:
        Predictions of the target, affine in the features, neither clipped nor normalised.
    """
    features_BxTxD = features_BxTxD.astype(np.float64)
    train = np.flatnonzero(train_B)
    inner, judged = train[: max(1, 3 * len(train) // 4)], train[3 * len(train) // 4 :]
    tried = [
        float(np.linalg.norm(_predict(features_BxTxD, target_BxTxK, inner, judged, penalty) - target_BxTxK[judged]))
        for penalty in PENALTIES
    ]
    best = PENALTIES[int(np.argmin(tried))]
    return _predict(features_BxTxD, target_BxTxK, train, np.flatnonzero(~train_B), best)


def _predict(
    features_BxTxD: np.ndarray, target_BxTxK: np.ndarray, fit: np.ndarray, asked: np.ndarray, penalty: float
) -> np.ndarray:
    """Ridge regression fitted on some documents, asked about others."""
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rows = lambda x_BxTxD: x_BxTxD.reshape(-1, x_BxTxD.shape[-1])  # noqa: E731
    fitted = make_pipeline(StandardScaler(), Ridge(penalty, solver="cholesky"))
    fitted.fit(rows(features_BxTxD[fit]), rows(target_BxTxK[fit]))
    return fitted.predict(rows(features_BxTxD[asked])).reshape(target_BxTxK[asked].shape)


def summarise(name: str, layer: int, errors: Sequence[Errors | None], generator: np.random.Generator) -> Probe:
    """R2 of the model and its controls, and the margin, with intervals from the same resamples of documents.

    Args:
        name: of the target.
        layer: 1 is the lowest.
        errors: of the model, untrained (None where that cannot be had), last token and shuffled.
        generator: of the resamples.

    Returns:
        The probe's R² beside its controls.
    """
    assert errors[0] is not None
    documents = len(errors[0].probe_B)
    drawn = np.concatenate([np.arange(documents)[None], generator.integers(documents, size=(RESAMPLES, documents))])
    unknown = np.full(len(drawn), np.nan)
    r2 = np.stack([
        unknown if each is None else _r2(each.probe_B[drawn].sum(1), each.mean_B[drawn].sum(1)) for each in errors
    ])  # fmt: skip
    margin = r2[0] - np.nanmax(r2[1:], 0)
    found = [Estimate(float(x[0]), *(float(q) for q in np.quantile(x[1:], (0.025, 0.975)))) for x in (*r2, margin)]
    read, untrained, last_token, shuffled, least = found
    return Probe(
        target=name, layer=layer, r2=read, untrained=untrained, last_token=last_token, shuffled=shuffled, margin=least
    )


def _r2(wrong: np.ndarray, off: np.ndarray) -> np.ndarray:
    """1 - wrong / off; 0 where the target does not vary at all, since there is nothing to explain."""
    return 1.0 - np.divide(wrong, off, out=np.ones_like(off), where=off > 0)

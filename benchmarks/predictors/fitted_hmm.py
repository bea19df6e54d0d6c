"""``fitted-hmm-H``: one HMM of H states, fitted by pomegranate's EM to training documents; a model as any other.

What a learner gets who knows that the law is a hidden Markov chain and nothing of concepts. H = 100 is one concept's
worth of GINC; the mixture itself is one HMM of C * H states whose kernel has C closed blocks. The E and M steps are
pomegranate's, in float64, from a random start; its end probabilities are put back to one after each (documents are cut,
they do not end; see ``theory.programs.interchange``). The fitted tables are mixed with SMOOTHING of the uniform law at
the end, so that nothing is impossible. EM finds a local optimum: the seed and the rounds are part of the reference.

Source: Baum et al. 1970; pomegranate (Schreiber 2018), extra ``reference``.
"""

from typing import TYPE_CHECKING

import numpy as np

from implicit_bayes.benchmarks.common.extras import need
from implicit_bayes.benchmarks.predictors.models import MixtureModel
from implicit_bayes.benchmarks.predictors.references import training_documents
from implicit_bayes.simulators.instance import Instance
from implicit_bayes.theory import HMM, MixtureOfHMMs, ModelError

if TYPE_CHECKING:
    from pomegranate.hmm import DenseHMM

TOKENS = 1 << 14
"""Training tokens: the first of the preset ``small`` of the LSTM, seed 0. EM reads them ROUNDS times."""
ROUNDS = 15
SMOOTHING = 1e-6
LARGEST = 500
"""States: a round's work grows with their square."""


class FittedHMM(MixtureModel):
    """A fitted HMM as a LanguageModel."""

    def __init__(self, name: str, hmm: HMM, delimiter: int):
        initial, kernel = (np.asarray(x)[None] for x in (hmm.initial, hmm.transition))
        super().__init__(name, MixtureOfHMMs([1.0], initial, kernel, np.asarray(hmm.emission), delimiter))

    @property
    def parameters(self) -> int:
        """Free entries of the three tables."""
        states, tokens = self.mixture.n_states, self.mixture.n_tokens
        return states - 1 + states * (states - 1) + states * (tokens - 1)


def fitted_hmm(states: int, instance: Instance, seed: int = 0) -> FittedHMM:
    """The reference ``fitted-hmm-H`` on an instance's training documents.

    Args:
        states: H of the fitted HMM.
        instance: whose training documents it is fitted to.
        seed: of the law that EM starts from.

    Returns:
        FittedHMM, its laws mixed with a little of the uniform one, so that it forbids nothing.

    Raises:
        ModelError: pomegranate is not installed (one line, with the command that installs it), or H is out of range.
    """
    name = f"fitted-hmm-{states}"
    if not 1 <= states <= LARGEST:
        raise ModelError(f"model: {name}: give 1 to {LARGEST} states, as in fitted-hmm-100")
    need("pomegranate", f"model: {name}")
    documents = training_documents(instance, TOKENS)
    length = documents[0].shape[1]
    tokens = np.concatenate([each for each in documents if each.shape[1] == length])
    start = random_hmm(states, instance.mixture.n_tokens, seed)
    return FittedHMM(name, smoothed(fit(start, tokens, ROUNDS)), instance.mixture.delimiter)


def random_hmm(states: int, tokens: int, seed: int) -> HMM:
    """Laws drawn uniformly from the simplex: EM leaves a uniform start where it is.

    Args:
        states: H.
        tokens: V.
        seed: with H, of the draw.

    Returns:
        HMM of H states and V tokens, all entries positive.
    """
    rng = np.random.default_rng([seed, states])
    laws = [rng.dirichlet(np.ones(size), rows) for size, rows in ((states, 1), (states, states), (tokens, states))]
    return HMM(laws[0][0], laws[1], laws[2])


def fit(hmm: HMM, tokens_BxT: np.ndarray, rounds: int) -> HMM:
    """EM by pomegranate, so many rounds, with end probabilities of one throughout.

    Args:
        hmm: where EM starts.
        tokens_BxT: documents of equal length.
        rounds: of EM.

    Returns:
        HMM after EM, with the shapes of ``hmm``.
    """
    import torch

    from implicit_bayes.theory.programs.interchange import from_pomegranate, to_pomegranate

    default = torch.get_default_dtype()
    try:
        torch.set_default_dtype(torch.float64)
        data = torch.tensor(np.asarray(tokens_BxT, np.int64))[..., None]
        for _ in range(rounds):
            model = to_pomegranate(hmm)
            model.summarize(data)
            model.from_summaries()
            _without_ends(model)
            hmm = from_pomegranate(model)
    finally:
        torch.set_default_dtype(default)
    return hmm


def _without_ends(model: "DenseHMM") -> None:
    """The kernel given that a document goes on: pomegranate's rows and end probabilities sum to one together.

    A state that is left nowhere (it ends every document that it is in) keeps no row, and is given the uniform one.
    """
    import torch

    edges = torch.exp(model.edges)
    total = edges.sum(1, keepdim=True)
    rows = torch.where(total > 0, edges / torch.where(total > 0, total, 1.0), 1.0 / len(edges))
    model.edges = torch.nn.Parameter(torch.log(rows), requires_grad=False)


def smoothed(hmm: HMM, share: float = SMOOTHING) -> HMM:
    """Every row of the three tables mixed with the uniform law.

    Args:
        hmm: whose tables are mixed.
        share: of the uniform law.

    Returns:
        HMM; with share > 0 every entry is positive.
    """
    rows = [np.asarray(x) for x in (hmm.initial, hmm.transition, hmm.emission)]
    return HMM(*((1 - share) * row + share / row.shape[-1] for row in rows))

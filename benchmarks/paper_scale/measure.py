"""A network as it stands, against the yardsticks: nothing is filtered here, only the network is asked.

Products of matrices are in full float32, whatever the training computes in: an accelerator's default for float32 keeps
ten bits, and an excess of a thousandth of a nat would be its noise.
"""

from typing import NamedTuple

import jax
import numpy as np

from implicit_bayes.benchmarks.gap.implied import implied_posterior
from implicit_bayes.benchmarks.gap.loss import ratio
from implicit_bayes.benchmarks.paper_scale.settings import Settings
from implicit_bayes.benchmarks.paper_scale.yardsticks import Yardsticks
from implicit_bayes.benchmarks.predictors.agreement import is_right
from implicit_bayes.benchmarks.predictors.paired import Held, excess
from implicit_bayes.benchmarks.predictors.promises import InTraining
from implicit_bayes.lm.step import Network
from implicit_bayes.simulators.json_types import JsonMapping, JsonObject
from implicit_bayes.theory import MixtureOfHMMs
from implicit_bayes.theory.objects.prompts import prefix_length


class Measuring(NamedTuple):
    """What networks are measured with.

    Attributes:
        mixture: the pretraining law (for its prior).
        yardsticks: see there.
        settings: see there.
    """

    mixture: MixtureOfHMMs
    yardsticks: Yardsticks
    settings: Settings

    def loss(self, network: Network) -> JsonMapping:
        """Excess over exact Bayes on the held-out documents, paired token by token, in the words of metrics.jsonl.

        Returns:
            Fields of a record: nats a token, standard errors over documents.
        """
        yard = self.yardsticks
        with jax.default_matmul_precision("highest"):
            found = excess(InTraining("in training", network), Held(yard.held_DxT, yard.log_bayes_DxT))
        return {
            "excess": found.nats,
            "excess_standard_error": found.standard_error,
            "excess_documents": found.documents,
            "bayes_cross_entropy": -float(yard.log_bayes_DxT.mean()),
            "excess_positions": found.position_P.tolist(),
            "excess_by_position": found.nats_P.tolist(),
            "excess_by_position_standard_error": found.standard_error_P.tolist(),
        }

    def point(self, network: Network) -> JsonMapping:
        """In-context curves, implied posterior, and the excess on the published validation documents.

        Returns:
            Fields of a record: right answers by k and n out of the prompts, excess in nats a token, and the implied
            posterior's.
        """
        model, yard = InTraining("in training", network), self.yardsticks
        with jax.default_matmul_precision("highest"):
            right_KxN = [self._right(model, i, k).tolist() for i, k in enumerate(self.settings.ks)]
            held = excess(model, Held(yard.published_DxT, yard.log_bayes_published_DxT))
            implied = self._implied(model)
        return {
            "right": right_KxN,
            "published_excess": held.nats,
            "published_excess_standard_error": held.standard_error,
            **implied,
        }

    def _right(self, model: InTraining, i: int, k: int) -> np.ndarray:
        """(N,) prompts answered rightly. What fills a prompt up comes after its end: a causal model does not see it."""
        at = [prefix_length(k, n) for n in self.settings.ns]
        law_PxNxV = model.log_probabilities(self.yardsticks.prompts_KxPxL[i])[:, at]
        right_N: np.ndarray = is_right(law_PxNxV, self.yardsticks.truth_KxPxNxV[i]).sum(0)
        return right_N

    def _implied(self, model: InTraining) -> JsonObject:
        """Total variation between implied and exact posterior, mean over the prefixes that settle nothing by zeros."""
        yard = self.yardsticks
        documents, prefixes, concepts, vocabulary = yard.concept_BxIxCxV.shape
        law_BxIxV = np.exp(model.log_probabilities(yard.held_DxT[:documents])[:, yard.prefix_I].astype(np.float64))
        found = implied_posterior(
            self.mixture, yard.evidence_BxIxC.reshape(-1, concepts),
            yard.concept_BxIxCxV.reshape(-1, concepts, vocabulary), law_BxIxV.reshape(-1, vocabulary),
        )  # fmt: skip
        counted = (found.defined_N & found.identified_N & found.open_N).reshape(documents, prefixes)
        tv = ratio(found.total_variation_N.reshape(documents, prefixes), counted)
        residual = ratio(found.residual_N.reshape(documents, prefixes), found.defined_N.reshape(documents, prefixes))
        return {
            "implied_tv": tv.value,
            "implied_tv_standard_error": tv.standard_error,
            "implied_residual": residual.value,
            "implied_prefixes": int(counted.sum()),
        }

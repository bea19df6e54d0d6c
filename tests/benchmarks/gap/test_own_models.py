"""Models that users bring: their activations are probed where they show them, and ``untrained`` is theirs."""

import numpy as np
import pytest
import torch
from gap_cases import network, small

from implicit_bayes.benchmarks.gap import probes
from implicit_bayes.benchmarks.gap.measure import one_model
from implicit_bayes.benchmarks.predictors.models import find_models, untrained
from implicit_bayes.lm.huggingface import HuggingFaceModel, TorchModel
from implicit_bayes.lm.model import CanBeUntrained, LanguageModel, NetworkModel, ShowsActivations
from implicit_bayes.simulators.instances import load_instance
from implicit_bayes.simulators.sampler import sample_documents
from implicit_bayes.theory import ModelError
from implicit_bayes.theory.filtering.state_beliefs import state_beliefs

OWN = """
import numpy as np

class Mine:
    name = "mine"

    def __init__(self, sharp=1.0):
        self.sharp = sharp

    def log_probabilities(self, tokens):
        logits = self.sharp * np.ones((len(tokens), tokens.shape[1] + 1, 4)) * np.arange(4)
        return logits - np.log(np.exp(logits).sum(-1, keepdims=True))

    def activations(self, tokens):
        return [np.eye(4)[tokens]]

    def untrained(self, seed):
        return Mine(sharp=0.0)
"""


class Believer:
    """Uniform answers, but its one layer holds the exact state belief."""

    name = "believer"

    def __init__(self, mixture):
        self.mixture = mixture

    def log_probabilities(self, tokens):
        v = self.mixture.n_tokens
        return np.full((len(tokens), tokens.shape[1] + 1, v), -np.log(v))

    def activations(self, tokens):
        return [state_beliefs(self.mixture, tokens).law_BxTxH]


@pytest.fixture(scope="module")
def drawn():
    import jax

    instance = small(zeros=False)
    return instance, sample_documents(instance.mixture, jax.random.key(0), 30, 16)


def test_a_users_layer_that_holds_the_beliefs_is_read(drawn):
    """Without an untrained form that control is missing, and the margin is over the others."""
    instance, documents = drawn
    beliefs = probes.exact_beliefs(instance.mixture, documents.tokens)
    model = Believer(instance.mixture)
    found = one_model(model, instance, documents, 3, 0, beliefs=beliefs, orders=False, martingale_documents=2)
    row = next(row for row in found.probes if row.target == "state belief")
    assert row.r2.value > 0.999
    assert np.isnan(row.untrained.value) and row.margin.value == pytest.approx(
        row.r2.value - max(row.last_token.value, row.shuffled.value)
    )


@pytest.mark.parametrize(
    ("layers", "words"),
    [([], "shows no layer"), ([np.zeros((3, 5))], r"shape \(3, 5\)"), ([np.full((3, 4, 2), np.nan)], "not finite")],
)
def test_activations_that_are_none_are_refused(layers, words):
    model = Believer(None)
    model.activations = lambda tokens: layers
    with pytest.raises(ModelError, match=words):
        probes.activations(model, np.zeros((3, 4), int))


def test_untrained_is_the_users_model_untrained_wherever_it_is_named(tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    instance = load_instance("printed-counterexample")
    for names in ([f"{tmp_path}/own.py:Mine", "untrained"], ["untrained", f"{tmp_path}/own.py:Mine"]):
        models = {model.name: model for model in find_models(names, instance)}
        assert set(models) == {"mine", "untrained"}
        law = np.exp(models["untrained"].log_probabilities(np.zeros((1, 2), int)))
        np.testing.assert_allclose(law, 0.25)
        assert isinstance(models["untrained"], LanguageModel) and isinstance(models["untrained"], ShowsActivations)
    alone = find_models(["untrained"], instance)[0]
    assert isinstance(alone, NetworkModel) and type(alone.network).__name__ == "LSTM"


def test_untrained_of_a_network_is_its_architecture_with_other_weights():
    model = network("transformer", 8, 1)
    fresh = untrained([model], small())
    assert isinstance(fresh, NetworkModel) and fresh.network.config == model.network.config
    tokens = np.zeros((1, 3), int)
    assert np.abs(fresh.log_probabilities(tokens) - model.log_probabilities(tokens)).max() > 1e-3


def test_an_untrained_form_that_fails_is_one_line():
    class Broken(Believer):
        def untrained(self, seed):
            raise RuntimeError("no weights")

    with pytest.raises(ModelError, match="believer cannot be had untrained"):
        untrained([Broken(None)], small())


class Table(torch.nn.Module):
    """Logits of the next token by the last one."""

    def __init__(self):
        super().__init__()
        self.embedding, self.out = torch.nn.Embedding(5, 3), torch.nn.Linear(3, 5)

    def forward(self, tokens):
        return self.out(self.embedding(tokens))


def test_a_torch_module_is_reset_and_shows_the_layers_it_is_given():
    module, tokens = Table(), np.array([[1, 2, 3], [4, 0, 1]])
    plain = TorchModel("table", module, 5)
    assert isinstance(plain, CanBeUntrained) and not isinstance(plain, ShowsActivations)
    for begin in (None, 4):
        model = TorchModel("table", module, 5, begin_token=begin, layers=lambda x: [module.embedding(x)])
        assert isinstance(model, ShowsActivations)
        expected = module.embedding.weight.detach().numpy()[tokens]
        np.testing.assert_allclose(model.activations(tokens)[0], expected, rtol=1e-6)
    before, fresh = plain.log_probabilities(tokens), plain.untrained(0)
    np.testing.assert_array_equal(plain.untrained(0).log_probabilities(tokens), fresh.log_probabilities(tokens))
    np.testing.assert_array_equal(plain.log_probabilities(tokens), before)  # the trained one is as it was
    assert np.abs(fresh.log_probabilities(tokens)[:, 1:] - before[:, 1:]).max() > 1e-3


def test_a_torch_module_with_parameters_of_its_own_needs_fresh():
    class Bare(Table):
        def __init__(self):
            super().__init__()
            self.scale = torch.nn.Parameter(torch.ones(()))

    with pytest.raises(ModelError, match="Bare without reset_parameters; give fresh="):
        TorchModel("bare", Bare(), 5).untrained(0)
    assert TorchModel("bare", Bare(), 5, fresh=Bare).untrained(0).name == "untrained"
    with pytest.raises(ModelError, match="is no module; give fresh="):
        TorchModel("function", lambda x: x, 5).untrained(0)


def test_hugging_face_models_show_their_blocks_and_can_be_untrained():
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(vocab_size=6, n_positions=16, n_embd=8, n_layer=2, n_head=2, bos_token_id=5, eos_token_id=5)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        gpt2 = GPT2LMHeadModel(config)
    tokens = np.array([[1, 2, 3]])
    model = HuggingFaceModel("gpt2", gpt2, vocabulary=5, begin_token=5)
    layers = probes.activations(model, tokens)
    with torch.no_grad():
        direct = gpt2(torch.tensor([[5, 1, 2, 3]]), output_hidden_states=True).hidden_states
    assert len(layers) == 2
    np.testing.assert_allclose(layers[1], direct[2].numpy()[:, 1:], atol=1e-6)
    fresh = model.untrained(0)
    assert isinstance(fresh, HuggingFaceModel) and fresh.vocabulary == 5
    assert np.abs(fresh.log_probabilities(tokens) - model.log_probabilities(tokens)).max() > 1e-4
    assert probes.activations(fresh, tokens)[0].shape == (1, 3, 8)

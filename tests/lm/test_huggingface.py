"""A randomly initialised GPT-2, built from a configuration without a network, as a model of this suite."""

import numpy as np
import pytest
import torch

from implicit_bayes import check_language_model
from implicit_bayes.benchmarks.predictors.paired import excess, hold_out
from implicit_bayes.lm.huggingface import HuggingFaceModel, TorchModel
from implicit_bayes.lm.model import LanguageModel
from implicit_bayes.simulators.instances import load_instance
from implicit_bayes.theory import ModelError

TOKENS = np.random.default_rng(0).integers(0, 4, (3, 10))


@pytest.fixture(scope="module")
def gpt2():
    """Vocabulary 6: four tokens of the suite, and two more of which the last begins a document."""
    from transformers import GPT2Config, GPT2LMHeadModel

    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = GPT2Config(vocab_size=6, n_positions=16, n_embd=8, n_layer=2, n_head=2, bos_token_id=5, eos_token_id=5)
        model = GPT2LMHeadModel(config)
        for parameter in model.parameters():  # large weights, so that laws are far from uniform
            parameter.data += 0.5 * torch.randn_like(parameter)
    return model


def _own_laws(gpt2, tokens):
    """(B, S, 6) probabilities by the model's own forward pass."""
    with torch.no_grad():
        return torch.softmax(gpt2(torch.tensor(tokens)).logits.double(), -1).numpy()


def test_with_a_begin_token_every_law_is_the_models_own_renormalised(gpt2):
    model = HuggingFaceModel("gpt2", gpt2, vocabulary=4, begin_token=5)
    own = _own_laws(gpt2, np.concatenate([np.full((3, 1), 5), TOKENS], 1))
    expected = own[..., :4] / own[..., :4].sum(-1, keepdims=True)
    found = model.log_probabilities(TOKENS)
    assert found.shape == (3, 11, 4)
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.exp(found), expected, atol=1e-6)
    np.testing.assert_allclose(model.lost_mass(TOKENS), own[..., 4:].sum(-1), atol=1e-7)
    assert model.lost_mass(TOKENS).max() > 0.01


def test_without_one_the_first_law_is_uniform_and_the_rest_the_models_own(gpt2):
    model = HuggingFaceModel("gpt2", gpt2)
    found = np.exp(model.log_probabilities(TOKENS))
    assert found.shape == (3, 11, 6)
    np.testing.assert_allclose(found[:, 0], 1 / 6, rtol=1e-6)
    np.testing.assert_allclose(found[:, 1:], _own_laws(gpt2, TOKENS), atol=1e-6)
    assert model.lost_mass(TOKENS).max() < 1e-12
    np.testing.assert_allclose(np.exp(model.log_probabilities(TOKENS[:, :0])), 1 / 6, rtol=1e-6)


@pytest.mark.parametrize("begin_token", [None, 5])
def test_every_law_of_a_causal_model_holds(gpt2, begin_token):
    model = HuggingFaceModel("gpt2", gpt2, 4, begin_token)
    found = check_language_model(model, "printed-counterexample", documents=16, length=32)
    words = next(each.words for each in found.checks if each.name == "context-limits")
    most = 16 if begin_token is None else 15
    assert words == f"answers {most} tokens; says that it takes {most}"


def test_the_gap_to_bayes_is_measured_without_more_ado(gpt2):
    instance = load_instance("printed-counterexample")
    model = HuggingFaceModel("gpt2", gpt2, vocabulary=4, begin_token=5)
    assert isinstance(model, LanguageModel)
    assert model.parameters == sum(p.numel() for p in gpt2.parameters())
    found = excess(model, hold_out(instance.mixture, 64, 12, seed=0))
    assert found.nats > 5 * found.standard_error  # it learnt nothing


def test_too_long_a_document_is_an_error_and_not_a_cut(gpt2):
    HuggingFaceModel("gpt2", gpt2, 4).log_probabilities(np.zeros((1, 16), int))
    with pytest.raises(ModelError, match=r"length: 17 tokens where gpt2 takes 16; ask for shorter documents"):
        HuggingFaceModel("gpt2", gpt2, 4).log_probabilities(np.zeros((1, 17), int))
    with pytest.raises(ModelError, match="16 tokens and one to begin with"):
        HuggingFaceModel("gpt2", gpt2, 4, 5).log_probabilities(np.zeros((1, 16), int))


def test_what_the_model_does_not_have_is_refused(gpt2):
    with pytest.raises(ModelError, match="vocabulary: gpt2 knows 6 tokens, 7 are asked of it"):
        HuggingFaceModel("gpt2", gpt2, 7)
    with pytest.raises(ModelError, match="begin_token: gpt2 has no token 6"):
        HuggingFaceModel("gpt2", gpt2, 4, begin_token=6)
    with pytest.raises(ModelError, match=r"tokens: gpt2 is asked about tokens outside 0\.\.3"):
        HuggingFaceModel("gpt2", gpt2, 4).log_probabilities(np.array([[4]]))


def test_any_torch_module_will_do_and_dropout_is_off():
    with torch.random.fork_rng():
        torch.manual_seed(1)
        module = torch.nn.Sequential(torch.nn.Embedding(4, 8), torch.nn.Dropout(0.5), torch.nn.Linear(8, 4))
    model = TorchModel("bigram", module, 4)
    found = model.log_probabilities(TOKENS)
    np.testing.assert_array_equal(found, model.log_probabilities(TOKENS))
    np.testing.assert_allclose(np.exp(found).sum(-1), 1, atol=1e-6)
    np.testing.assert_array_equal(found[0, 1:][TOKENS[0] == 2][0], found[0, 1:][TOKENS[0] == 2][-1])


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (lambda x: torch.zeros(*x.shape, 3), "logits of shape"),
        (lambda x: torch.full((*x.shape, 4), torch.nan), "no law"),
    ],
)
def test_answers_that_are_no_laws_are_refused(network, words):
    with pytest.raises(ModelError, match=words):
        TorchModel("x", network, 4).log_probabilities(TOKENS)

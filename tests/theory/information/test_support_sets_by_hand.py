"""Sets of states and what they forbid, on laws small enough to see: columns, limits, first examples, documents."""

import itertools
import math

import numpy as np
import pytest

from implicit_bayes.theory import HMM, MixtureOfHMMs, ModelError, PromptLaw
from implicit_bayes.theory.information import sampling, scores, simulated_rates, support_walk, supports, survival
from implicit_bayes.theory.information.likelihood_moments import log_sum, total, upper_mean
from implicit_bayes.theory.information.moment_graphs import _may_close, _refuse_faint, example_graph
from implicit_bayes.theory.information.prefixes import build
from implicit_bayes.theory.information.process_entropies import _step, process_entropies, union
from implicit_bayes.theory.information.ranges import _coefficients, score_range
from implicit_bayes.theory.information.rates import _dies_on_a_sample, _only_delimiter_state
from implicit_bayes.theory.information.sampled_means import samples_for
from implicit_bayes.theory.information.scores import collect, evaluate
from implicit_bayes.theory.information.simulated_rates import (
    cross_entropy_rate,
    entropy_rate,
    run_chains,
    simulate_rates,
)
from implicit_bayes.theory.information.supports import (
    can_forbid,
    everywhere_possible,
    forbidden_mass,
    forbids,
    may_forbid,
)
from implicit_bayes.theory.information.survival import after_first_example, survivors
from implicit_bayes.theory.objects.edges import EdgeProcess
from implicit_bayes.theory.objects.rows import distinct_words

COIN = HMM([0.25, 0.75], [[0.5, 0.5], [0.125, 0.875]], np.eye(2))
FREE = HMM([0.5, 0.25, 0.25], [[0.5, 0.25, 0.25]] * 3, np.eye(3))
"""Two words and a delimiter, anything after anything."""


def random_law(rng, states, tokens, zeros):
    def rows(*shape):
        weight = rng.integers(1, 5, shape) * (rng.random(shape) >= zeros)
        weight[..., 0] += weight.sum(-1) == 0
        return weight / weight.sum(-1, keepdims=True)

    return HMM(rows(states), rows(states, states), rows(states, tokens))


def sets_after(law, tokens, first):
    """Where the law can be after tokens that begin in a set of states; one set of numbers."""
    now = {h for h in first if law.emission[h, tokens[0]] > 0}
    for token in tokens[1:]:
        now = {g for h in now for g in range(law.n_states) if law.transition[h, g] > 0 and law.emission[g, token] > 0}
    return frozenset(now)


def allowed(law, tokens):
    return bool(sets_after(law, tokens, [h for h in range(law.n_states) if law.initial[h] > 0]))


def test_documents_that_a_law_forbids_are_those_of_enumeration():
    """Two states tell themselves apart within four tokens: of all shorter documents some is forbidden, or none is."""
    seen = set()
    for seed in range(120):
        rng = np.random.default_rng(seed)
        sampler, law = (random_law(rng, 2, 2, rng.choice([0.3, 0.5])) for _ in range(2))
        documents = [x for n in range(1, 7) for x in itertools.product(range(2), repeat=n) if allowed(sampler, x)]
        right = any(not allowed(law, x) for x in documents)
        assert can_forbid(sampler, law) is right
        seen.add(right)
    assert seen == {True, False}


def forbids_by_hand(prompt, law):
    """The chain of support sets at the starts of examples, example by example."""
    k, tokens = prompt.length, range(law.n_tokens)
    ours = [x for x in itertools.product(tokens, repeat=k)
            if sets_after(prompt.hmm, x, [h for h in range(law.n_states) if prompt.start[h] > 0])]  # fmt: skip
    first = frozenset(h for h in range(law.n_states) if law.initial[h] > 0)
    edges, todo = {}, [first]
    while todo:
        begin = todo.pop()
        if begin in edges:
            continue
        edges[begin] = set()
        for x in ours:
            end = sets_after(law, (*x, prompt.delimiter), begin)
            after = frozenset(g for h in end for g in range(law.n_states) if law.transition[h, g] > 0)
            edges[begin].add(after)
            todo += [after] if after else []
    doomed = {frozenset()}
    while grown := {x for x, ends in edges.items() if x not in doomed and ends & doomed}:
        doomed |= grown
    return "never" if len(doomed) == 1 else "surely" if doomed >= set(edges) else "sometimes"


def test_how_often_prompts_are_forbidden_is_that_of_enumeration():
    found = []
    for seed in range(150):
        rng = np.random.default_rng(1000 + seed)
        law, other, start = (random_law(rng, 3, 3, zeros) for zeros in (0.4, 0.2, 0.5))
        prompt = PromptLaw(law, start.initial, 2, int(rng.integers(3)))
        found.append(forbids_by_hand(prompt, other))
        assert forbids(prompt, other) == found[-1]
        assert may_forbid(prompt, other) is (found[-1] != "never")
    assert {"never", "surely", "sometimes"} == set(found)


@pytest.mark.parametrize("columns", [1, 3, 63, 64, 65, 70, 128, 129])
def test_sets_are_told_apart_by_their_first_and_last_columns(columns):
    """Of four rows the first and third are one; the second lacks the last column, the fourth the first."""
    rows = np.ones((4, columns), dtype=bool)
    rows[1, -1] = rows[3, 0] = False
    words = support_walk._bits(rows)
    assert words.shape == (4, -(-columns // 64)) and words.dtype == np.uint64
    first, inverse = distinct_words(words)
    assert len(first) == (3 if columns > 1 else 2) and inverse[0] == inverse[2] != inverse[1]
    assert (inverse[1] == inverse[3]) is np.bool_(columns == 1)
    np.testing.assert_array_equal(rows[first][inverse], rows)


def test_numbers_that_support_sets_carry_are_limited(monkeypatch):
    """Two start laws on three states: six numbers for each set; after one of three tokens there are three sets."""
    law = HMM([0.5, 0.25, 0.25], np.eye(3), np.eye(3))
    starts = np.array([[0.5, 0.25, 0.25], [0.25, 0.5, 0.25]])
    monkeypatch.setattr(support_walk, "MAX_NUMBERS", 18)
    found = forbidden_mass(starts, FREE, law, 2)
    np.testing.assert_allclose(found.mass[:, 1], [0.5 * 0.5 + 0.25 * 0.75 + 0.25 * 0.75, 0.25 * 0.5 + 0.75 * 0.75])
    assert found.first.tolist() == [2, 2] and found.mass[:, 0].tolist() == [0.0, 0.0]
    monkeypatch.setattr(support_walk, "MAX_NUMBERS", 17)
    with pytest.raises(ModelError, match="3 support sets after 1 tokens"):
        forbidden_mass(starts, FREE, law, 2)


def test_support_sets_at_delimiters_are_limited(monkeypatch):
    """From every start one word follows D, then any: two sets at the starts of examples."""
    law = HMM([1.0, 0.0, 0.0], [[0.5, 0.25, 0.25], [0.5, 0.25, 0.25], [0.5, 0.5, 0.0]], np.eye(3))
    prompt = PromptLaw(HMM(FREE.initial, [[0.75, 0.25, 0.0]] * 3, np.eye(3)), [1.0, 0.0, 0.0], 2, 2)
    assert forbids(prompt, law) == "never"
    for most in (1, 2):
        monkeypatch.setattr(supports, "MAX_SETS", most)
        assert forbids(prompt, law) == "never"
    monkeypatch.setattr(supports, "MAX_SETS", 0)
    with pytest.raises(ModelError, match="more than 0 support sets at delimiters"):
        forbids(prompt, law)


def test_a_positive_kernel_settles_it_where_every_token_has_a_start():
    """theta must be able to begin with every token that a prompt can hold, the delimiter among them."""
    prompt = PromptLaw(HMM([0.5, 0.5, 0.0], [[0.5, 0.5, 0.0]] * 3, np.eye(3)), [0.5, 0.5, 0.0], 2, 2)
    assert everywhere_possible(prompt, FREE) is True
    assert everywhere_possible(prompt, HMM([0.5, 0.5, 0.0], FREE.transition, np.eye(3))) is False  # not the delimiter
    assert everywhere_possible(prompt, HMM(FREE.initial, [[0.5, 0.5, 0.0], *FREE.transition[1:]], np.eye(3))) is False
    narrow = PromptLaw(HMM([1.0, 0, 0], [[0.5, 0, 0.5]] * 3, np.eye(3)[[0, 0, 2]]), [1.0, 0.0, 0.0], 2, 2)
    assert everywhere_possible(narrow, HMM([0.5, 0.0, 0.5], FREE.transition, np.eye(3))) is True  # word 1 never comes


def test_what_the_first_example_decides_after_all_of_its_tokens():
    """Examples of three tokens. The first law forbids word 1 after word 1, the second a start at word 1: of
    examples 0 x y those with x = y = 1, 1/16, of 1 x y those with x = 1, 1/4, and all."""
    one = HMM(FREE.initial, [FREE.transition[0], [0.5, 0.0, 0.5], FREE.transition[2]], np.eye(3))
    two = HMM([0.5, 0.0, 0.5], FREE.transition, np.eye(3))
    law = PromptLaw(FREE, [0.5, 0.5, 0.0], 3, 2)
    found = after_first_example(law, [one, two])
    right = {(True, True): 0.5 * 15 / 16, (False, True): 0.5 / 16, (True, False): 0.5 * 3 / 4, (False, False): 0.5 / 4}
    assert found == pytest.approx(right)


def test_the_delimiter_after_the_first_example_decides_too():
    """From word 1 one law never goes to the state that writes the delimiter: it dies with examples that end in word 1,
    1/4 of those whose last word is free. What another state of its could write does not help."""
    mute = HMM(FREE.initial, [FREE.transition[0], [0.5, 0.5, 0.0], FREE.transition[2]], np.eye(3))
    found = after_first_example(PromptLaw(FREE, [0.5, 0.5, 0.0], 3, 2), [mute, FREE])
    # 0 x y: x = 1 and y = D is forbidden (1/16), y = 1 leaves no delimiter (1/4); 1 x y: x = D (1/4), else as before
    dies = 0.5 * 5 / 16 + 0.5 * (1 / 4 + 1 / 4 * (1 / 4 + 1 / 4) + 1 / 2 * 1 / 4)
    assert found == pytest.approx({(False, True): dies, (True, True): 1 - dies})


def test_inputs_that_theta_star_forbids_are_marked():
    """theta* never begins with word 1: of the two inputs of one token the second is lost, and so are its examples."""
    true = HMM([0.5, 0.0, 0.5], FREE.transition, np.eye(3))
    prompt = PromptLaw(FREE, [0.5, 0.5, 0.0], 2, 2)
    graph = example_graph(prompt.example_law(), true, [FREE], 2, 2)
    assert graph.lost_N.tolist() == [False, True] and graph.lost_last and graph.lost_closed
    assert graph.law_2xNxV[1, 1].tolist() == [0.0, 0.0, 0.0]
    plain = example_graph(prompt.example_law(), FREE, [true], 2, 2)
    assert plain.lost_N.tolist() == [False, False] and not plain.lost_last and not plain.lost_closed
    mute = HMM(FREE.initial, [[0.5, 0.5, 0.0]] * 3, np.eye(3))  # no delimiter behind an example, and none within
    ended = example_graph(PromptLaw(mute, [0.5, 0.5, 0.0], 2, 2).example_law(), mute, [FREE], 2, 2)
    assert (ended.lost_last, ended.lost_closed, ended.lost_N.any()) == (False, True, False)


def test_what_is_open_has_probability_one():
    """Two delimiter states: one outcome, and all of it."""
    words = [[0.4, 0.2, 0.1, 0.15, 0.15]] * 3
    free = [*words, *[[0.3, 0.3, 0.3, 0.1, 0.0]] * 2]
    split = [*words[:2], [0.3, 0.3, 0.2, 0.0, 0.2], [0.9, 0.0, 0.0, 0.1, 0.0], [0.0, 0.0, 0.9, 0.0, 0.1]]
    mixture = MixtureOfHMMs([0.5, 0.5], [[0.2] * 5] * 2, [free, split], np.eye(4)[[0, 1, 2, 3, 3]], 3)
    (found,) = survivors(mixture, PromptLaw.of(mixture, [0.9, 0.0, 0.1, 0.0, 0.0], 0, 2), [0, 1])
    assert found == (1.0, frozenset({0}), frozenset({1}))


def test_what_takes_too_many_sets_has_probability_one_too(monkeypatch):
    """One delimiter state, one law at risk, and more sets than can be carried."""
    stuck = [[0.5, 0.0, 0.5], [0.5, 0.0, 0.5], [0.5, 0.25, 0.25]]
    mixture = MixtureOfHMMs(
        [0.5, 0.5], [FREE.initial, [0.5, 0.0, 0.5]], [FREE.transition, FREE.transition], np.eye(3), 2
    )

    def refuse(*_):
        raise ModelError("laws: too many support sets")

    law = PromptLaw.of(mixture, [0.5, 0.5, 0.0], 0, 2)
    decided = survivors(mixture, law, [0, 1])
    assert {(o.probability, o.alive) for o in decided} == {(0.5, frozenset({0})), (0.5, frozenset({0, 1}))}
    monkeypatch.setattr(survival, "after_first_example", refuse)
    assert survivors(mixture, law, [0, 1]) == [(1.0, frozenset({0}), frozenset({1}))]
    dying = MixtureOfHMMs([0.5, 0.5], [FREE.initial] * 2, [FREE.transition, stuck], np.eye(3), 2)
    assert survivors(dying, PromptLaw.of(dying, [0.5, 0.5, 0.0], 0, 2), [0, 1]) == [(1.0, frozenset({0}), frozenset())]


def test_a_witness_that_theta_star_forbids_a_prompt():
    """Examples begin at word 1 half of the time, which theta* never starts with; and one that forbids nothing."""
    law = HMM([0.5, 0.0, 0.5], FREE.transition, np.eye(3))
    assert _dies_on_a_sample(PromptLaw(law, [0.5, 0.5, 0.0], 2, 2)) is True
    assert _dies_on_a_sample(PromptLaw(FREE, [0.5, 0.5, 0.0], 2, 2)) is False
    mute = HMM(FREE.initial, FREE.transition, [[1.0, 0, 0], [0, 1.0, 0], [0.5, 0.5, 0]])
    assert _dies_on_a_sample(PromptLaw(mute, [0.5, 0.5, 0.0], 2, 2)) is True  # no delimiter
    prompt = PromptLaw(FREE, [0.5, 0.5, 0.0], 2, 2)
    two = HMM(FREE.initial, FREE.transition, np.eye(3)[[0, 2, 2]])
    assert [_only_delimiter_state(prompt, x) for x in (FREE, mute, two)] == [2, None, None]


def test_rates_of_documents_by_hand():
    """A fair coin has log 2; judged by (1/4, 3/4) it costs more; a law that forbids a word costs infinity."""
    coin = HMM([1.0], [[1.0]], [[0.5, 0.5]])
    assert entropy_rate(coin).value == pytest.approx(math.log(2), abs=1e-12)
    wrong = cross_entropy_rate(coin, HMM([1.0], [[1.0]], [[0.25, 0.75]]))
    right = 0.5 * (math.log(4) + math.log(4 / 3))
    assert wrong.low - 0.01 < right < wrong.high + 0.01 and wrong.method == "simulation"  # six standard errors: .008
    never = cross_entropy_rate(coin, HMM([1.0], [[1.0]], [[1.0, 0.0]]))
    assert never == (math.inf, math.inf, math.inf, "closed form", 0.0, 0.0, 0)


def test_simulated_rates_are_of_counted_examples_alone(monkeypatch):
    """A prompt that is certain: 0 1 D 0 1 D ...: theta's share of every example but the first is (1/2 1/4 1/4)."""
    sure = HMM([1.0, 0, 0], [[0, 1.0, 0], [0, 0, 1.0], [1.0, 0, 0]], np.eye(3))
    prompt = PromptLaw(sure, [1.0, 0.0, 0.0], 2, 2)
    found = simulate_rates(prompt, [FREE], chains=3, examples=4, burn_in=2)
    np.testing.assert_allclose(found, np.full((3, 1), math.log(1 / 32)), rtol=1e-12)
    tokens = run_chains(np.array([0.0, 1.0]), np.eye(2), np.array([[1.0, 0, 0], [0, 0, 1.0]]), (2, 3), RNG)
    assert tokens.tolist() == [[2, 2, 2]] * 2 and tokens.dtype == np.int32


RNG = np.random.default_rng(0)


def test_a_linear_quantity_is_probed_entry_by_entry():
    """Scores count j + 1 times at position j, closings three times; nothing is added to either."""

    def quantity(score, closing):
        weights = np.arange(1.0, len(score) + 1)[:, None, None]
        return np.concatenate([(weights * score).sum(0), 3.0 * closing], 1)

    scored, closed = _coefficients(2, quantity, 3)
    for j in range(3):
        np.testing.assert_array_equal(scored[j], np.concatenate([(j + 1) * np.eye(2), np.zeros((2, 2))], 1))
    np.testing.assert_array_equal(closed, np.concatenate([np.zeros((2, 2)), 3.0 * np.eye(2)], 1))
    machine = build([COIN], 0)
    rows, start = np.array(COIN.transition), np.array(COIN.initial)
    low, high = score_range(machine, lambda score, closing: score.sum(0) + closing, 2, 0)
    each, ended = (rows * np.log(rows)).sum(-1), (rows * np.log(rows * rows[:, :1].T)).sum(-1)
    assert low[0] == pytest.approx(start @ np.log(start) + each.min() + ended.min())
    assert high[0] == pytest.approx(start @ np.log(start) + each.max() + ended.max())


def test_how_many_samples_bernstein_asks_for():
    """Without variance 7 L span / (3 (N - 1)) = half; without span sqrt(2 v L / (N - 1)) = half."""
    level = math.log(40.0)
    found = samples_for(np.array([0.0, 2.0, 0.0]), np.array([3.0, 0.0, 1.0]), np.array([0.5, 0.25, 0.0]), 0.9)
    assert found[0] == pytest.approx(7 * 3 * level / (3 * 0.5) + 1, rel=1e-12)
    assert found[1] == pytest.approx(2 * 2 * level / 0.25**2 + 1, rel=1e-12) and found[2] == math.inf


def test_sums_of_logarithms_row_by_row():
    logs = np.log(np.array([[0.25, 0.5, 0.125], [1e-300, 2e-300, 1e-300]]))
    np.testing.assert_allclose(np.exp(log_sum(logs)), [0.875, 4e-300])
    high = upper_mean(logs)
    assert high[1] - math.log(4e-300) == pytest.approx(upper_mean(np.log([[0.25, 0.5, 0.25]]))[0])
    part = total(type(example_graph(COIN, COIN, [COIN], 2, 0).inputs(0, 1.0))(logs, np.array([[1.0, 2.0, 3.0]] * 2)))
    np.testing.assert_allclose(part.slope, [(0.25 + 1.0 + 0.375) / 0.875, 2.0])
    none = total(part._replace(value=np.full((1, 2), -math.inf), slope=np.ones((1, 2))))
    assert (none.value[0], none.slope[0]) == (-math.inf, 0.0)


def test_a_faint_last_token_is_refused_as_any_other():
    """A word that both states can write with 1e-200 each after a belief of 1e-200; and a delimiter behind the last."""
    belief, may = np.array([[1.0, 1e-200]]), np.array([[False], [True]])
    with pytest.raises(ModelError, match="float64"):
        _refuse_faint(np.array([[1e-295]]), belief, may)
    _refuse_faint(np.array([[1e-289]]), belief, may)
    _refuse_faint(np.array([[0.0]]), np.array([[1.0, 0.0]]), may)
    _refuse_faint(np.zeros((1, 0)), belief, may)
    machine = build([COIN, HMM([0.5, 0.5], [[1.0, 0.0], [0.5, 0.5]], np.eye(2))], 1)
    assert _may_close(machine, 1).tolist() == [[True, True], [False, True]]
    faint = HMM([1.0, 1e-200], [[0.5, 0.5]] * 2, [[1.0, 0.0], [1.0, 1e-200]])
    with pytest.raises(ModelError, match="float64"):
        example_graph(HMM([0.5, 0.5], [[0.5, 0.5]] * 2, np.eye(2)), COIN, [faint], 2, 0)
    last = HMM([1.0, 0.0], [[1.0, 1e-200], [1.0, 1e-200]], [[1.0, 0.0], [1.0, 1e-200]])
    with pytest.raises(ModelError, match="float64"):
        example_graph(HMM([1.0, 0.0], [[0.0, 1.0], [0.0, 1.0]], np.eye(2)), COIN, [last], 2, 0)


def test_entropies_of_one_token():
    """Of a coin of 1/4: one length is enough; none is refused; a budget of two pairs is one of two tokens."""
    coin = EdgeProcess(np.array([[[0.25]], [[0.75]]]))
    h = 0.25 * math.log(4) + 0.75 * math.log(4 / 3)
    assert process_entropies(coin, 1).block_n.tolist() == [pytest.approx(h)]
    with pytest.raises(ModelError, match="length: 0"):
        process_entropies(coin, 0)
    assert len(process_entropies(coin, 3, budget=2).myopic_n) == 3 and len(process_entropies(coin).known_n) == 64
    with pytest.raises(ModelError, match="budget: 1 is below"):
        process_entropies(coin, 3, budget=1)
    both = union([coin, EdgeProcess(np.array([[[0.5]], [[0.5]]]))], np.array([0.25, 0.75]))
    assert both.start.tolist() == [0.25, 0.75] and both.labelled[0].tolist() == [[0.25, 0.0], [0.0, 0.5]]
    from implicit_bayes.theory.information.process_entropies import _Level

    found, level = _step(both, _Level(np.array([[0.25, 0.75]]), np.ones(1)))
    p = 0.25 * 0.25 + 0.75 * 0.5
    assert found == pytest.approx(-p * math.log(p) - (1 - p) * math.log(1 - p))
    assert sorted(level.mass_N.tolist()) == pytest.approx(sorted([p, 1 - p]))
    with pytest.raises(ModelError, match="3 tokens beside 2"):
        union([coin, EdgeProcess(np.array([[[0.25]], [[0.5]], [[0.25]]]))], np.array([0.5, 0.5]))


def test_what_is_sampled_beyond_what_is_expanded(monkeypatch):
    """Nothing is affordable beyond position 1: the second stage draws as many prefixes as logarithms allow, in chunks,
    and the pilot at most as many; the mean of KL is that of the rows."""
    machine = build([COIN, HMM([0.5, 0.5], [[0.25, 0.75], [0.5, 0.5]], np.eye(2))], 0)
    asked, draw = [], sampling.draw

    def remember(forward, length, count, generator, at):
        asked.append((length, count, at))
        return draw(forward, length, count, generator, at)

    monkeypatch.setattr(scores, "draw", remember)
    monkeypatch.setattr(scores, "FEWEST", 5)
    monkeypatch.setattr(scores, "CHUNK", 40)

    def quantity(score, closing):
        return (score[:, :, 0] - score[:, :, 1]).sum(0)[:, None]

    found = collect(machine, [2, 3], quantity, budget=0, accuracy=1e-9, logarithms=100 * 3 * 2 * 2)
    assert [count for _, count, _ in asked] == [min(scores.PILOT, 100), 40, 40, 20]
    assert {(length, at) for length, _, at in asked} == {(3, ())}
    estimate = evaluate(found, 3, quantity)
    assert estimate.prefixes == 100 and not estimate.exact
    rows, other = np.array(COIN.transition), np.array([[0.25, 0.75], [0.5, 0.5]])
    each, start = (rows * np.log(rows / other)).sum(-1), np.array(COIN.initial)
    right = start @ np.log(start / 0.5) + start @ each + start @ rows @ each
    assert estimate.low[0] <= right <= estimate.high[0] and estimate.low[0] <= estimate.mean[0] <= estimate.high[0]
    asked.clear()
    collect(machine, [2, 3], quantity, budget=0, accuracy=1e-9, logarithms=1.0)
    assert [count for _, count, _ in asked] == [5, 5]
    asked.clear()
    assert collect(machine, [2, 3], quantity, closings=True).draws is None and asked == []
    assert simulated_rates.CHAINS == 32

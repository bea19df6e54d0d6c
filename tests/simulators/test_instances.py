"""Instances: names, and files in every state of disrepair."""

import io
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from strategies import laws, mixtures

from implicit_bayes.simulators.ginc import paper_ginc, property_start_laws, released_ginc
from implicit_bayes.simulators.instance import Instance
from implicit_bayes.simulators.instances import MAKERS, load_instance, save_instance
from implicit_bayes.theory.objects.checks import ModelError

GOOD = {
    "prior": np.array([0.25, 0.75]),
    "initial": np.array([[0.5, 0.5], [1.0, 0.0]]),
    "transition": np.array([[[0.5, 0.5], [0.1, 0.9]], [[0.25, 0.75], [1.0, 0.0]]]),
    "emission": np.array([[1.0, 0.0, 0.0], [0.0, 0.5, 0.5]]),
    "delimiter": np.int64(0),
}


def same_arrays(a, b):
    for name in ("prior", "initial", "transition", "emission"):
        np.testing.assert_array_equal(getattr(a.mixture, name), getattr(b.mixture, name))
    np.testing.assert_array_equal(a.prompt_starts, b.prompt_starts)
    assert a.mixture.delimiter == b.mixture.delimiter
    assert (a.true_concepts, a.k, a.seed) == (b.true_concepts, b.k, b.seed)


def refused(spec):
    """The one line that refuses ``spec``."""
    with pytest.raises(ModelError) as caught:
        load_instance(spec)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("name", MAKERS)
def test_every_name_loads_and_survives_its_file(name, tmp_path):
    instance = load_instance(name)
    assert instance.name == name
    assert instance.description
    again = load_instance(str(save_instance(instance, tmp_path / "saved.npz")))
    assert again.name == "saved"
    same_arrays(again, instance)


@pytest.mark.parametrize(("name", "vocabulary"), [("ginc", 50), ("ginc-100", 100), ("ginc-150", 150)])
def test_released_instances(name, vocabulary):
    instance = load_instance(name, seed=5)
    np.testing.assert_array_equal(instance.mixture.transition, released_ginc(vocabulary).pretraining.transition)
    assert instance.mixture.n_tokens == vocabulary
    assert (instance.true_concepts, instance.k, instance.seed) == ((0, 1, 2, 3, 4), None, 1111)
    assert instance.prompt_starts.shape == (5, 9, 100)
    for concept in range(5):
        np.testing.assert_array_equal(instance.prompt_starts[concept], property_start_laws())


def test_the_seed_draws_the_paper_recipe():
    np.testing.assert_array_equal(load_instance("ginc-paper", 9).mixture.transition, paper_ginc(seed=9).transition)
    assert load_instance("ginc-paper", 9).seed == 9
    assert load_instance("ginc-paper").seed is not None
    with pytest.raises(ModelError, match="seed"):
        load_instance("ginc-paper", -1)


def test_the_counterexample_is_the_theory_rooms():
    """The table of docs/theory/counterexample.md, in figures."""
    ours = load_instance("printed-counterexample")
    np.testing.assert_array_equal(ours.mixture.transition[0, 0], [0.002, 0.5868, 0.3912, 0.02])
    np.testing.assert_array_equal(ours.mixture.transition[0, 3], [0.955, 0.0125, 0.0125, 0.02])
    np.testing.assert_array_equal(ours.mixture.transition[1, 1], [0.63, 0.035, 0.035, 0.30])
    np.testing.assert_array_equal(ours.mixture.initial[1], [0.0005, 0.39975, 0.39975, 0.2])
    np.testing.assert_array_equal(ours.prompt_starts[0], [[0.94, 0.03, 0.03, 0.0]])
    assert (ours.mixture.delimiter, ours.true_concepts, ours.k) == (3, (0,), 2)


@pytest.mark.parametrize(
    ("name", "guess"),
    [("gincs", "'ginc'"), ("ginc-1000", "'ginc-100'"), ("reglar", "'regular'"), ("xyzzy", None), ("", None)],
)
def test_an_unknown_name_is_told_the_nearest_and_all(name, guess):
    message = refused(name)
    assert all(known in message for known in MAKERS)
    assert (f"did you mean {guess}" in message) if guess else ("did you mean" not in message)


def write(tmp_path, change=None, without=()):
    arrays = {name: array for name, array in (GOOD | (change or {})).items() if name not in without}
    path = tmp_path / "case.npz"
    np.savez(path, **arrays)
    return str(path)


def test_defaults_of_a_file(tmp_path):
    instance = load_instance(write(tmp_path))
    assert (instance.name, instance.true_concepts, instance.k, instance.seed) == ("case", (0, 1), None, None)
    np.testing.assert_array_equal(instance.prompt_starts, GOOD["initial"][:, None])


def test_optional_arrays_of_a_file(tmp_path):
    extra = {
        "prompt_start": np.array([0.25, 0.75]),
        "true_concept": np.int32(1),
        "k": np.float64(4),
    }
    instance = load_instance(write(tmp_path, extra | {"delimiter": np.float64(0)}))
    assert (instance.true_concepts, instance.k, instance.mixture.delimiter) == ((1,), 4, 0)
    np.testing.assert_array_equal(instance.prompt_starts, np.full((2, 1, 2), [0.25, 0.75]))


NAN_ROW = np.array([[np.nan, 0.5], [1.0, 0.0]])
DEFECTS = [
    ({"note": np.ones(3)}, (), ["note: unknown array; leave it out", "prior, initial, transition", "prompt_starts"]),
    ({"prompt_strat": np.array([0.5, 0.5])}, (), ["prompt_strat: unknown array; rename it 'prompt_start'"]),
    *(({}, (name,), [name, "missing"]) for name in GOOD),
    ({"prior": np.array([0.25, 0.7])}, (), ["prior", "0.95"]),
    ({"prior": np.array([1.25, -0.25])}, (), ["prior[1]", "negative"]),
    ({"initial": NAN_ROW}, (), ["initial[0, 0]", "not finite"]),
    ({"transition": GOOD["transition"] * 2}, (), ["transition[0, 0]", "sums to 2"]),
    ({"transition": GOOD["transition"][:, :1]}, (), ["transition", "(2, 1, 2)", "(2, 2, 2)"]),
    ({"emission": np.ones((3, 3)) / 3}, (), ["emission"]),
    ({"emission": np.ones((2, 2, 0))}, (), ["emission", "empty"]),
    ({"emission": np.ones(2)}, (), ["emission", "axes"]),
    ({"prior": np.zeros(0), "initial": np.zeros((0, 2))}, (), ["prior", "empty"]),
    ({"prior": np.array(["a", "b"])}, (), ["prior", "dtype"]),
    ({"prior": np.array([0.25 + 1j, 0.75])}, (), ["prior", "dtype complex128"]),
    ({"prior": np.array([True, False])}, (), ["prior", "dtype bool"]),
    ({"prior": np.array([0.25, None], dtype=object)}, (), ["prior", "objects"]),
    ({"delimiter": np.int64(3)}, (), ["delimiter", "3", "0..2"]),
    ({"delimiter": np.int64(-1)}, (), ["delimiter", "-1"]),
    ({"delimiter": np.int64(2), "emission": np.eye(2, 3)}, (), ["delimiter", "no state emits"]),
    ({"delimiter": np.array([0])}, (), ["delimiter", "(1,)", "scalar"]),
    ({"delimiter": np.float64(0.5)}, (), ["delimiter", "0.5", "whole"]),
    ({"delimiter": np.float64(np.nan)}, (), ["delimiter", "whole"]),
    ({"delimiter": np.float64(1e300)}, (), ["delimiter", "64 bits"]),
    ({"true_concept": np.int64(2)}, (), ["true_concept", "2", "0..1"]),
    ({"true_concept": np.array([0, 1])}, (), ["true_concept", "scalar"]),
    ({"true_concepts": np.array([0, 2])}, (), ["true_concept", "2"]),
    ({"true_concepts": np.int64(0)}, (), ["true_concepts", "list"]),
    ({"true_concepts": np.array([0]), "true_concept": np.int64(0)}, (), ["true_concept", "beside"]),
    ({"k": np.int64(1)}, (), ["k: 1", "below 2"]),
    ({"k": np.array("ten")}, (), ["k", "dtype"]),
    ({"prompt_start": np.array([0.5, 0.4])}, (), ["prompt_start", "0.9"]),
    ({"prompt_start": np.ones(1)}, (), ["prompt_start", "(1,)", "(2,)"]),
    ({"prompt_starts": np.ones((2, 2))}, (), ["prompt_starts", "3 axes"]),
    ({"prompt_starts": np.ones((2, 1, 2)) / 2, "prompt_start": np.ones(2) / 2}, (), ["prompt_start", "beside"]),
    ({"promt_start": np.ones(2) / 2}, (), ["promt_start", "'prompt_start'"]),
    ({"emissions": np.eye(2)}, ("emission",), ["emissions", "'emission'"]),
]


@pytest.mark.parametrize(("change", "without", "words"), DEFECTS)
def test_a_defect_is_one_line_with_path_field_and_remedy(tmp_path, change, without, words):
    path = write(tmp_path, change, without)
    message = refused(path)
    assert message.startswith(f"{path}: {words[0].split(':')[0].split('[')[0]}")
    assert ";" in message
    for word in words:
        assert word in message


def good_bytes(compressed=False):
    buffer = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(buffer, **GOOD)
    return buffer.getvalue()


def test_containers_that_are_no_npz(tmp_path):
    whole = good_bytes()
    cases = {"empty": b"", "text": b"hello\n" * 9, "truncated": whole[: len(whole) // 2], "headless": whole[100:]}
    for name, data in cases.items():
        path = tmp_path / f"{name}.npz"
        path.write_bytes(data)
        assert refused(str(path)).startswith(f"{path}: ")
    array = tmp_path / "array.npz"
    with array.open("wb") as file:
        np.save(file, np.ones(3))
    assert "npz" in refused(str(array))
    assert "does not exist" in refused(str(tmp_path / "none.npz"))
    assert "does not exist" in refused("no/such/file")
    assert "directory" in refused(str(tmp_path))
    assert "does not exist" in refused("a/b\0c")


def test_a_file_without_a_slash_or_an_ending_is_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plain").write_bytes(good_bytes())
    (tmp_path / "folder").mkdir()
    assert load_instance("plain").name == "plain"
    assert "directory" in refused("folder")


def test_a_damaged_member_is_named(tmp_path):
    data = bytearray(good_bytes())
    at = bytes(data).index(GOOD["transition"].tobytes())
    data[at] ^= 1  # the last bit of one entry: without the checksum it would pass for a law
    (tmp_path / "a.npz").write_bytes(data)
    message = refused(str(tmp_path / "a.npz"))
    assert "transition" in message
    assert "checksum" in message


def test_members_that_are_no_arrays(tmp_path):
    for data in (b"", b"not an array", b"\x93NUMPY\x01\x00\x10\x00{'descr': '<f8',"):
        path = tmp_path / "a.npz"
        with zipfile.ZipFile(path, "w") as archive:
            for name, array in GOOD.items():
                buffer = io.BytesIO()
                np.save(buffer, array)
                archive.writestr(f"{name}.npy", data if name == "initial" else buffer.getvalue())
        message = refused(str(path))
        assert "initial" in message
        assert ";" in message


@given(
    st.booleans(),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=6),
    st.one_of(st.just(1.0), st.floats(0, 1)),
)
@example(True, [(0.0, 0)], 1.0)
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_arbitrary_damage_is_refused_or_harmless(tmp_path, compressed, changes, keep):
    """Bytes overwritten anywhere, and the end cut off: a ModelError of one line, or the very instance."""
    data = bytearray(good_bytes(compressed))
    for place, value in changes:
        data[int(place * len(data))] = value
    path = tmp_path / "damaged.npz"
    path.write_bytes(data[: int(keep * len(data))])
    refusal = None
    try:
        found = load_instance(str(path))
    except ModelError as error:
        refusal = str(error)
    if refusal is None:
        np.testing.assert_array_equal(found.mixture.transition, GOOD["transition"])
    else:
        assert "\n" not in refusal
        assert refusal.startswith(str(path))


@st.composite
def instances(draw):
    mixture = draw(mixtures())
    alternatives = draw(st.integers(1, 2))
    starts = [[draw(laws(mixture.n_states)) for _ in range(alternatives)] for _ in range(mixture.n_concepts)]
    trues = draw(st.lists(st.integers(0, mixture.n_concepts - 1), min_size=1, max_size=3, unique=True))
    k, seed = draw(st.one_of(st.none(), st.integers(2, 9))), draw(st.one_of(st.none(), st.integers(0, 2**40)))
    return Instance("any", mixture, np.array(starts), tuple(trues), k, seed, "drawn")


@given(instances())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_instance_survives_its_file(tmp_path, instance):
    path = save_instance(instance, tmp_path / "round.npz")
    same_arrays(load_instance(str(path)), instance)
    assert [entry.name for entry in tmp_path.iterdir()] == ["round.npz"]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"true_concepts": ()}, "true_concept"),
        ({"true_concepts": (5,)}, "true_concept"),
        ({"k": 1}, "k: 1"),
        ({"prompt_starts": np.ones((5, 1, 7))}, "prompt_starts"),
        ({"prompt_starts": np.ones((5, 0, 7))}, "prompt_starts"),
        ({"prompt_starts": np.ones((4, 1, 7)) / 7}, "prompt_starts"),
    ],
)
def test_an_instance_checks_its_own_fields(change, word):
    regular = load_instance("regular")
    fields = {"name": "x", "mixture": regular.mixture, "prompt_starts": regular.prompt_starts, "true_concepts": (0,)}
    with pytest.raises(ModelError, match=word):
        Instance(**(fields | change))


def test_an_instance_of_a_mixture_starts_prompts_as_documents_and_changes_one_field_at_a_time():
    mixture = load_instance("ginc").mixture
    found = Instance.of("own", mixture, 3, "a line")
    assert found.true_concepts == (0, 1, 2, 3, 4) and (found.k, found.seed, found.description) == (None, 3, "a line")
    np.testing.assert_array_equal(found.prompt_starts, np.asarray(mixture.initial)[:, None])
    released = load_instance("ginc")
    again = released.changed(k=7)
    assert again.k == 7 and again.released_vocabulary == released.released_vocabulary == 50
    assert again.changed(k=released.k) == released
    with pytest.raises(ModelError, match="k: "):
        released.changed(k=1)

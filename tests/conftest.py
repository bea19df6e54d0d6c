"""A strict house: array types are checked at run time, warnings are errors, nobody touches JAX's global settings.

Rank promotion stays at JAX's default: a prior (C,) meets evidence (P, B, C) by broadcasting on purpose, and NumPyro and
funsor promote ranks throughout, so "raise" would forbid what is meant rather than catch what is not.
"""

import gc
import itertools
import os
import shutil

import hypothesis
import jax
import jaxtyping
import pytest

# Before anything imports these packages: every annotated function then checks shapes and dtypes when it is called.
_hook = jaxtyping.install_import_hook(
    ["implicit_bayes.theory", "implicit_bayes.simulators", "implicit_bayes.lm"], "strict_types.checked"
)

hypothesis.settings.register_profile("dev", deadline=None, max_examples=30)
hypothesis.settings.register_profile("ci", deadline=None, max_examples=30, derandomize=True, print_blob=True)
hypothesis.settings.register_profile("thorough", deadline=None, max_examples=2000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))

THIRD_PARTY_WARNINGS = (
    # funsor and the libraries below NumPyro use names that newer releases of their own dependencies deprecate.
    "ignore::DeprecationWarning:funsor.*",
    "ignore::DeprecationWarning:tensorflow_probability.*",
    "ignore::DeprecationWarning:dynamax.*",
    "ignore::DeprecationWarning:torch.*",
    # beartype picks one random item of a tuple[int, ...] to check; inside a strategy Hypothesis notices the dice.
    "ignore:Do not use the `random` module inside strategies:hypothesis.errors.HypothesisDeprecationWarning",
)
"""Warnings that are not ours, each bound to the module that raises it."""


def pytest_configure(config: pytest.Config) -> None:
    """Every warning fails the test that caused it, but for the list above."""
    for line in ("error", *THIRD_PARTY_WARNINGS):
        config.addinivalue_line("filterwarnings", line)


MAPPINGS = 25_000
"""Memory mappings of a test process beyond which it forgets its compiled programs; Linux ends it near 65,530."""


_TESTS = itertools.count(1)


@pytest.fixture(autouse=True)
def _compiled_programs_are_forgotten_in_time():
    """XLA maps three pieces of memory for each compiled program, and a process that meets the kernel's limit
    (``vm.max_map_count``) dies of a segmentation fault: after two thousand tests, in whichever comes next."""
    yield
    if next(_TESTS) % 10:  # reading the list takes milliseconds
        return
    try:
        with open("/proc/self/maps") as file:
            mappings = sum(1 for _ in file)
    except OSError:  # not Linux, where there is no such limit
        return
    if mappings > MAPPINGS:
        jax.clear_caches()
        gc.collect()


@pytest.fixture(autouse=True)
def _global_settings_stay():
    """No test, and nothing it calls, may leave ``jax_enable_x64`` or the matmul precision other than it found them."""
    before = (jax.config.jax_enable_x64, jax.config.jax_default_matmul_precision)
    yield
    assert (jax.config.jax_enable_x64, jax.config.jax_default_matmul_precision) == before


BROWSER = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
           "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage")  # fmt: skip


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Chromium without a head, its console and its requests logged."""
    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        if "REQUIRE_BROWSER" in os.environ:  # as .ci/run sets it: there the page is never left unlooked at
            pytest.fail("chromium and chromium-driver are not installed")
        pytest.skip("chromium and chromium-driver are not installed")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for flag in (*BROWSER, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    yield driver
    driver.quit()

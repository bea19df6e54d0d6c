"""Experiment 8: the delimiter mismatch as a dial, from none to extreme, on the regular instance and on GINC.

Two dials: the prompt start law leaves p(h | d, theta*) (the total variation of A3 grows), and the true concept's
delimiter probability leaves that of the others (epsilon_delim of Condition 1 grows, in either direction).
"""

from collections.abc import Mapping

import xarray as xr

from implicit_bayes.benchmarks.experiments import dial_words as words
from implicit_bayes.benchmarks.experiments.asked import conditions, context, models, trained
from implicit_bayes.benchmarks.experiments.base import Experiment, Scale, spaced
from implicit_bayes.benchmarks.experiments.dial_numbers import (
    DELIMITERS,
    KS,
    SHIFTS,
    TWIN_SHIFTS,
    ginc_shots,
    many_shots,
    read_delimiters,
    read_released,
    read_shifts,
    shots,
)
from implicit_bayes.benchmarks.report.findings import Findings
from implicit_bayes.benchmarks.sweep.cells import Cell

TITLE = "The delimiter mismatch as a dial"
BASE = "regular"
TWIN = "regular:twin"
"""Of the start dial. With identity emission, as in ``regular``, x_test shows its last state and A3 is idle."""


def cells(scale: Scale) -> dict[str, Cell]:
    """Curves and conditions at every position of both dials.

    Returns:
        Cells by name; ``shift``, ``ginc`` and ``delimiter`` name the dial, ``conditions`` those without a model.
    """
    found = {}
    once = trained(scale, TWIN, [scale.dial])
    for shift in spaced(TWIN_SHIFTS, scale.grid):
        spec = f"{TWIN}:prompt-shift={shift:g}"
        found[f"shift-{shift:g}"] = context(scale, spec, KS, shots(scale), once)
        for concept in range(scale.concepts):
            found[f"shift-conditions-{shift:g}-{concept}"] = conditions(scale, spec, concept, KS)
    for shift in spaced(SHIFTS, scale.grid):
        spec = f"ginc:property-shift={shift:g}"
        found[f"ginc-{shift:g}"] = context(
            scale, spec, scale.ks[:1], [ginc_shots(scale)], models(scale, "ginc"), [0.01], scale.prompts_of_many
        )
        found[f"ginc-conditions-{shift:g}"] = conditions(scale, spec, 0, [scale.ks[0]])
    for probability in spaced(DELIMITERS, scale.grid):
        spec = f"{BASE}:delimiter={probability:g}"
        taught = trained(scale, spec, [scale.dial])
        found[f"delimiter-{probability:g}"] = context(scale, spec, KS, many_shots(scale), taught)
        found[f"delimiter-conditions-{probability:g}"] = conditions(scale, spec, 0, KS)
    return found


def read(scale: Scale, results: Mapping[str, xr.Dataset]) -> Findings:
    """Accuracy along both dials with the conditions' ends; a table of TV, epsilon and accuracy.

    Args:
        scale: of the reproduction.
        results: data sets by the names of ``cells``.

    Returns:
        Findings; accuracies in percent, distances in total variation, thresholds in nats.
    """
    shift, delimiter = read_shifts(scale, results), read_delimiters(scale, results)
    released = read_released(scale, results)
    return Findings(
        name="dial",
        title=TITLE,
        paper="Assumptions 2 and 3 bound the delimiter mismatch; the paper does not vary it.",
        ours=(
            "Both dials on the regular instance (the first with a second state for one token, so that the start law "
            "matters to x_test), with LSTMs trained on it; the first on released GINC as well."
        ),
        verdict=f"{words.on_shifts(shift)} {words.on_delimiters(delimiter)} {words.on_released(released)}",
        summary=words.summary(shift),
        pictures=(
            words.delimiter_picture(scale, delimiter),
            words.shift_picture(scale, shift),
            words.released_picture(scale, released),
        ),
        tables=(words.delimiter_table(delimiter),),
    )


EXPERIMENT = Experiment("dial", TITLE, "new", cells, read)

"""Presets: a network with the recipe that trains it.

``small`` has a few hundred thousand parameters, trained in minutes on two cores. ``long`` is the same network on more
tokens; its rate is held before it falls, and its weights are averaged. ``taught`` is the long one on fewer tokens, its
rate held for 30% of them instead of 60, with the exact law of each in place of the token itself: a yardstick of what
the network can hold, and no language model that has only read documents. ``paper-*`` have the published shapes and
schedules: 29M, 85M and 115M parameters for 4, 12 and 16 layers, 28M for the LSTM.

Source: Xie et al. 2022, appendix F, for the ``paper-*`` ones.
"""

from typing import NamedTuple

from implicit_bayes.lm.lstm import LSTMConfig
from implicit_bayes.lm.optimiser_config import OptimiserConfig
from implicit_bayes.lm.schedule import Phase, Schedule
from implicit_bayes.lm.transformer import TransformerConfig
from implicit_bayes.theory.objects.checks import ModelError

RELEASED_TOKENS = 10_240_000
"""Of the released training documents: one epoch."""


class Preset(NamedTuple):
    """Everything that a training is told by one name.

    Attributes:
        network: sizes of the network.
        optimiser: its configuration.
        schedule: batches, learning rates and tokens.
        data: "fresh" documents without end, or the "released" ones again and again.
        target: of the loss, "token" or "law" (lm.targets).
    """

    network: LSTMConfig | TransformerConfig
    optimiser: OptimiserConfig
    schedule: Schedule
    data: str
    target: str = "token"


def preset(architecture: str, name: str, vocabulary: int) -> Preset:
    """A preset by name.

    Args:
        architecture: lstm or transformer.
        name: small, long, wide (LSTM only), taught, tiny (seconds, for tests and first steps), or paper-4l, paper-12l,
            paper-16l, paper-lstm.
        vocabulary: V.

    Returns:
        Preset, its network of that vocabulary.

    Raises:
        ModelError: there is none of this name for this architecture.
    """
    table = LSTMS if architecture == "lstm" else TRANSFORMERS
    if name not in table:
        raise ModelError(f"preset: {name!r} is none of {architecture}'s; choose from {', '.join(table)}")
    chosen = table[name]
    return chosen._replace(network=chosen.network._replace(vocabulary=vocabulary))


def _long(small: Preset, tokens: int, phases: tuple[Phase, ...], peak: float) -> Preset:
    schedule = Schedule(tokens=tokens, phases=phases, peak=peak, decay="linear", floor=0.0, hold=0.6)
    return small._replace(optimiser=small.optimiser._replace(average=16.0), schedule=schedule)


def _taught(long: Preset, tokens: int) -> Preset:
    return long._replace(schedule=long.schedule._replace(tokens=tokens, hold=0.3), target="law")


def _paper(layers: int) -> Preset:
    network = TransformerConfig(
        vocabulary=0, width=768, layers=layers, heads=12, window=None, context=1024, dialect="gpt2", dropout=0.1
    )
    schedule = Schedule(
        tokens=5 * RELEASED_TOKENS, phases=(Phase(0.0, 8, 1024),), peak=8e-4, warm_up=1000, decay="linear", floor=0.0
    )
    return Preset(network, OptimiserConfig(method="adamw", b1=0.9, b2=0.999), schedule, "released")


TRANSFORMERS = {
    "small": Preset(
        TransformerConfig(vocabulary=0, width=128, layers=3, heads=2, window=32, taps=3),
        OptimiserConfig(method="soap", b1=0.95, b2=0.95),
        Schedule(tokens=16_500_000, phases=(Phase(0.0, 8, 64), Phase(0.5, 16, 64), Phase(0.85, 4, 256)), peak=5e-3),
        "fresh",
    ),
    "tiny": Preset(
        TransformerConfig(vocabulary=0, width=32, layers=2, heads=2, window=16),
        OptimiserConfig(method="adamw", b1=0.9, b2=0.99),
        Schedule(tokens=200_000, phases=(Phase(0.0, 16, 32), Phase(0.8, 4, 128)), peak=5e-3, warm_up=20),
        "fresh",
    ),
    "paper-4l": _paper(4),
    "paper-12l": _paper(12),
    "paper-16l": _paper(16),
}
LSTMS = {
    "small": Preset(
        LSTMConfig(vocabulary=0, width=128, multiplicative=True, readout=512),
        OptimiserConfig(method="adamw", b1=0.9, b2=0.99),
        Schedule(tokens=75_000_000, phases=(Phase(0.0, 16, 64), Phase(0.5, 32, 64), Phase(0.8, 16, 256)), peak=1e-2),
        "fresh",
    ),
    "tiny": Preset(
        LSTMConfig(vocabulary=0, width=32),
        OptimiserConfig(method="adamw", b1=0.9, b2=0.99),
        Schedule(tokens=200_000, phases=(Phase(0.0, 16, 32), Phase(0.8, 4, 128)), peak=2e-2, warm_up=20),
        "fresh",
    ),
    "paper-lstm": Preset(
        LSTMConfig(vocabulary=0, width=768, layers=6, embedding=768, dropout=0.2),
        OptimiserConfig(method="adamw", b1=0.9, b2=0.999, plateau=RELEASED_TOKENS // (8 * 1024)),
        Schedule(tokens=10 * RELEASED_TOKENS, phases=(Phase(0.0, 8, 1024),), peak=1e-3, warm_up=0, decay="constant"),
        "released",
    ),
}
LSTMS["long"] = _long(LSTMS["small"], 120_000_000, (Phase(0.0, 16, 64), Phase(0.85, 16, 256)), 1e-2)
TRANSFORMERS["long"] = _long(TRANSFORMERS["small"], 45_000_000, (Phase(0.0, 8, 64), Phase(0.85, 4, 256)), 5e-3)
LSTMS["wide"] = LSTMS["long"]._replace(
    network=LSTMS["long"].network._replace(width=256),
    schedule=LSTMS["long"].schedule._replace(tokens=45_000_000, peak=5e-3),
)
LSTMS["taught"] = _taught(LSTMS["long"], 20_000_000)
TRANSFORMERS["taught"] = _taught(TRANSFORMERS["long"], 9_000_000)

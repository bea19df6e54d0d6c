"""One side of the training benchmark, in a process of its own: ours or PyTorch.

    python -m implicit_bayes.benchmarks.speed.training_worker '{"side": "ours", "devices": 2, ...}'

reads one request a line and answers with one line; see ``benchmarks.speed.training``, which starts it.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from implicit_bayes.benchmarks.common.children import watch_parent
from implicit_bayes.lm.lstm import LSTMConfig
from implicit_bayes.lm.optimiser_config import OptimiserConfig
from implicit_bayes.lm.presets import preset
from implicit_bayes.lm.run import RunConfig, draw_network
from implicit_bayes.lm.schedule import Phase, plan
from implicit_bayes.lm.step import Network
from implicit_bayes.simulators.instances import load_instance
from implicit_bayes.simulators.sampler import sample_documents

RATE = 1e-3
BATCHES = 4
"""Different batches that every job goes round."""
WARM_UP = 3
"""Steps, compilation among them, whose losses are compared."""


class TrainingJob(NamedTuple):
    """What one timed training process is asked to do.

    Attributes:
        architecture: lstm or transformer.
        variant: adamw, soap or as preset (ours); blocks or band (PyTorch).
        phase: index into the preset's curriculum.
    """

    architecture: str
    variant: str
    phase: int


def configuration(preset_name: str, job: TrainingJob, seed: int, vocabulary: int) -> tuple[RunConfig, Phase]:
    """What both sides train: the preset's network, but for a scale that PyTorch's LSTM does not have.

    Args:
        preset_name: of the network's size.
        job: which training.
        seed: of the weights.
        vocabulary: V.

    Returns:
        The configuration, and the phase of the schedule that the job is in.
    """
    chosen = preset(job.architecture, preset_name, vocabulary)
    network, method = chosen.network, OptimiserConfig(method="adamw", b1=0.9, b2=0.99)
    if isinstance(network, LSTMConfig) and job.variant != "as preset":
        network = network._replace(multiplicative=False)
    if job.variant in ("soap", "as preset"):
        method = chosen.optimiser
    config = RunConfig(
        instance="",
        architecture=job.architecture,
        preset=preset_name,
        network=network,
        optimiser=method,
        schedule=chosen.schedule,
        seed=seed,
    )
    return config, plan(chosen.schedule).phases[job.phase]


def batches(instance: str, phase: Phase, seed: int) -> list[np.ndarray]:
    """The batches that a job goes round, the same on both sides.

    Args:
        instance: name of the law of the documents.
        phase: says how many documents of how many tokens.
        seed: of the documents.

    Returns:
        ``BATCHES`` arrays (batch, length) of tokens.
    """
    mixture = load_instance(instance).mixture
    tokens = sample_documents(mixture, jax.random.key(seed), BATCHES * phase.batch, phase.length).tokens
    return list(tokens.reshape(BATCHES, phase.batch, phase.length))


Step = Callable[[np.ndarray], float]


def ours(config: RunConfig, first: np.ndarray, devices: int) -> tuple[Step, dict[str, np.ndarray]]:
    """Our training step, and the gradient at the drawn weights.

    Args:
        config: what to train.
        first: a batch of tokens.
        devices: that share a batch.

    Returns:
        The step, and the gradient's leaves on ``first`` by name.
    """
    import equinox as eqx

    from implicit_bayes.lm.checkpoints import flatten
    from implicit_bayes.lm.step import make_mesh, make_step, replicate, shard, start, token_loss

    network = draw_network(config)
    gradient = eqx.filter_jit(eqx.filter_grad(lambda n, t: token_loss(n(t[:, :-1]), t)))(network, first)
    mesh = make_mesh(devices)
    step, held = make_step(config.optimiser, mesh, 0), [replicate(start(network, config.optimiser), mesh)]

    def one(tokens: np.ndarray) -> float:
        held[0], loss = step(held[0], shard(tokens, mesh), np.float32(RATE))
        return loss.item()

    return one, {name: np.asarray(leaf) for name, leaf in flatten(gradient).items()}


def torchs(config: RunConfig, first: np.ndarray, variant: str) -> tuple[Step, dict[str, np.ndarray]]:
    """PyTorch's training step, and the gradient at the same weights.

    Args:
        config: what to train.
        first: a batch of tokens.
        variant: blocks or band: how the Transformer's attention is kept to its window.

    Returns:
        The step, and the gradient's leaves on ``first`` by our names.
    """
    import torch

    from implicit_bayes.benchmarks.speed.torch_networks import TorchLSTM, TorchTransformer

    network: Network = draw_network(config)
    model = TorchLSTM(network) if config.architecture == "lstm" else TorchTransformer(network, variant)
    betas = (config.optimiser.b1, config.optimiser.b2)
    method = torch.optim.AdamW(model.parameters(), RATE, betas, 1e-8, weight_decay=0.0, fused=True)

    def backward(tokens: np.ndarray) -> float:
        begun = np.concatenate([np.full((len(tokens), 1), config.network.vocabulary), tokens[:, :-1]], axis=1)
        method.zero_grad()
        logits = model(torch.from_numpy(begun).long())
        target = torch.from_numpy(tokens).long().reshape(-1)
        loss = torch.nn.functional.cross_entropy(logits.reshape(len(target), -1), target)
        loss.backward()
        return loss.item()

    def one(tokens: np.ndarray) -> float:
        loss = backward(tokens)
        torch.nn.utils.clip_grad_norm_(model.parameters(), config.optimiser.clip, foreach=True)
        method.step()
        return loss

    backward(first)
    return one, {name: np.array(g) for name, g in model.gradients().items()}


def serve(side: str, instance: str, preset_name: str, seed: int, threads: int, turn: int) -> None:
    """Answer requests until standard input ends.

    Args:
        side: "ours", or anything else for PyTorch.
        instance: name of the law of the documents.
        preset_name: of the network's size.
        seed: of weights and documents.
        threads: to use.
        turn: tokens of a turn, about.
    """
    if side == "ours":
        from implicit_bayes.benchmarks.training.setup import Cluster, start_devices

        start_devices(threads, Cluster())
        import scipy.linalg  # noqa: F401  (its BLAS does SOAP's QR, on one thread as in lm.train)
        import threadpoolctl

        threadpoolctl.threadpool_limits(1, user_api="blas")
    else:
        import torch

        torch.set_num_threads(threads)
    vocabulary, made = load_instance(instance).mixture.n_tokens, {}
    for line in sys.stdin:
        word, job, place = json.loads(line)
        job = TrainingJob(*job)
        if word == "make":
            config, phase = configuration(preset_name, job, seed, vocabulary)
            tokens = batches(instance, phase, seed)
            devices = max(d for d in range(1, threads + 1) if phase.batch % d == 0)
            if side == "ours":
                step, gradient = ours(config, tokens[0], devices)
            else:
                step, gradient = torchs(config, tokens[0], job.variant)
            made[job] = step, tokens
            np.savez(Path(place), allow_pickle=False, **gradient)
            losses = [step(tokens[i % BATCHES]) for i in range(WARM_UP)]
            print(json.dumps({"losses": losses}), flush=True)
            continue
        step, tokens = made[job]
        steps = max(1, turn // tokens[0].size)
        wall, cpu = time.perf_counter(), time.process_time()
        for i in range(steps):
            step(tokens[i % BATCHES])
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        print(json.dumps({"wall": wall, "cpu": cpu, "tokens": steps * tokens[0].size}), flush=True)


if __name__ == "__main__":
    watch_parent()
    with jax.enable_x64(False):
        serve(**json.loads(sys.argv[1]))

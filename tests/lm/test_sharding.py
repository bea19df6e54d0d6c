"""The same training on one device, on several, and over two processes: the same loss curve.

Means over devices are sums in another order. With rounding e = 2^-24 an entry of the gradient moves by about
e sqrt(96) |g| (96 tokens a batch), which Adam may turn into a full step of the rate r where the entry is that small;
the loss then moves by at most 6e-7 * 2e-2 a parameter and step: below 1e-4 for 400 parameters over 24 steps.
"""

import shutil
import socket

import numpy as np
import pytest
from small_training import records

TOLERANCE = 1e-4
"""Nats; see the module."""


@pytest.fixture(scope="module")
def alone(server, tmp_path_factory):
    """The losses on one device."""
    folder = tmp_path_factory.mktemp("alone") / "run"
    assert server.run(folder) == 0
    return _losses(folder)


def _losses(folder):
    return np.array([row["loss"] for row in records(folder)])


def test_the_tolerance_would_notice_another_training(server, alone, tmp_path):
    assert np.ptp(alone) > 100 * TOLERANCE
    assert server.run(tmp_path / "run", config={"seed": 1}) == 0
    assert np.abs(_losses(tmp_path / "run") - alone).min() > TOLERANCE


@pytest.mark.parametrize("devices", [2, 4])
def test_devices_share_a_batch_and_the_curve_is_that_of_one(server, alone, tmp_path, devices):
    assert server.run(tmp_path / "run", devices=devices, config={"devices": devices}) == 0
    np.testing.assert_allclose(_losses(tmp_path / "run"), alone, atol=TOLERANCE)


def _two(server, folder, **job):
    """Two processes that train together, over the loopback interface, one device each."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    pids = [server.begin(folder, config={"devices": 2}, cluster=[address, 2, i], **job) for i in range(2)]
    assert [server.end(pid) for pid in pids] == [0, 0]


def test_two_processes_share_a_batch_and_the_curve_is_that_of_one(server, alone, tmp_path):
    """And they resume together, from a checkpoint that one of them wrote, to bitwise the same weights."""
    folder = tmp_path / "run"
    _two(server, folder)
    np.testing.assert_allclose(_losses(folder), alone, atol=TOLERANCE)
    weights, rows = (folder / "weights.npz").read_bytes(), records(folder)
    shutil.rmtree(folder / "checkpoints" / "24")
    (folder / "weights.npz").unlink()
    _two(server, folder, resume=True)
    assert (folder / "weights.npz").read_bytes() == weights
    assert records(folder) == rows

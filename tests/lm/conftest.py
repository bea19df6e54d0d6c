"""One server of small trainings for all tests of a process."""

import pytest
from small_training import Server


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("server")) as running:
        yield running

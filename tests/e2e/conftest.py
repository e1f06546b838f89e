# SPDX-License-Identifier: MIT
"""Fixtures: one broker for the run, a cloud with a worker per module that asks for it."""
import os
import pathlib
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "deploy"))

from cloud import Broker, Cloud  # noqa: E402  (needs the path above)


def pytest_configure(config):
    config.addinivalue_line("markers", "long: takes long, or a quiet machine: stage `long` of tests/run.sh")


@pytest.fixture(scope="session")
def logs():
    folder = os.environ.get("CSE_LOGS") or tempfile.mkdtemp(prefix="cse-e2e-")
    return pathlib.Path(folder)


@pytest.fixture(scope="session")
def broker(logs):
    broker = Broker(logs / "broker")
    yield broker
    broker.stop()


FIGURES = {}


@pytest.fixture(scope="session")
def figures():
    """What a test puts here is shown at the end of the run, whatever became of the test."""
    return FIGURES


def pytest_terminal_summary(terminalreporter):
    for name, figure in FIGURES.items():
        terminalreporter.write_line(f"{name}: {figure}")


@pytest.fixture(scope="module")
def cloud(request, broker, logs):
    """A cloud with one worker. A module may set CLOUD = {"workers": 2, "options": {...}}."""
    wanted = getattr(request.module, "CLOUD", {})
    cloud = Cloud(logs / request.module.__name__, broker, **wanted)
    yield cloud
    cloud.stop()


@pytest.fixture(scope="module")
def alice(cloud):
    return cloud.alice

# SPDX-License-Identifier: MIT
"""Fixtures: a box per module that asks for one, or one for a single test."""
import os
import pathlib
import re
import sys
import tempfile

import pytest

HERE = pathlib.Path(__file__).resolve().parent
for folder in (HERE, HERE.parent / "e2e", HERE.parents[1] / "deploy"):
    sys.path.insert(0, str(folder))

from box import CLOUD, Box  # noqa: E402  (needs the paths above)
from disturb import settle  # noqa: E402
from sweep import Sweep  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "long: takes long, or a quiet machine: stage `long` of tests/run.sh")


@pytest.fixture(scope="session")
def logs():
    folder = os.environ.get("CSE_LOGS") or tempfile.mkdtemp(prefix="cse-failure-")
    return pathlib.Path(folder)


@pytest.fixture(scope="module")
def box(request, logs):
    """A box with one worker. A module may set BOX = {"workers": 2, "options": {...}}."""
    box = Box(logs / request.module.__name__, **getattr(request.module, "BOX", {}))
    yield box
    box.stop()


@pytest.fixture
def as_before(box):
    """Afterwards nothing is disturbed any more, what runs has ended, and the cloud is as it was."""
    before = box.vcd.state()
    yield
    box.vcd.heal()
    box.broker.on_publish = box.broker.on_deliver = None
    box.broker.release()
    box.vcd.set_option(**{name: CLOUD[name] for name in ("boot_ms", "clone_ms")})
    settle(box)
    box.check_state(before)


@pytest.fixture
def in_time_again(box):
    """Afterwards nothing is disturbed any more, and VCD's clock is right."""
    yield
    box.broker.on_publish = None
    box.broker.release()
    box.vcd.heal()
    box.wait_quiet()
    box.vcd.set_option(clock_ahead_s=0)


@pytest.fixture
def new_box(request, logs):
    """Makes boxes for one test, and ends them."""
    boxes = []

    def make(**wanted):
        name = re.sub(r"\W+", "_", request.node.name)
        boxes.append(Box(logs / f"{name}-{len(boxes)}", **wanted))
        return boxes[-1]
    yield make
    for box in boxes:
        box.stop()


FIGURES = {}


@pytest.fixture(scope="module")
def sweep(request, logs):
    """Boxes for many points. A module may set BOX as for `box`."""
    sweep = Sweep(logs / request.module.__name__, **getattr(request.module, "BOX", {}))
    yield sweep
    FIGURES.update(sweep.figures)
    sweep.stop()


def pytest_terminal_summary(terminalreporter):
    for name, figure in FIGURES.items():
        terminalreporter.write_line(f"{name}: {figure}")

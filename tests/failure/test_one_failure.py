# SPDX-License-Identifier: MIT
"""One failing call, at every call of a cluster's life: it succeeds all the same, and nothing exists
twice.

By default the kinds of failure take turns over the calls; CSE_MATRIX=full tries each at each.
"""
import os

import pytest
from life import AGENT, STEPS, Life

# Nothing is remembered between requests, so each makes all its calls; nobody searches beside it.
BOX = {"timing": {"cache": 0, "delete_wait": 5}, "resync": False}
UNAVAILABLE = {"status": 503}
RESET = {"reset": True}
BUSY = {"status": 400, "minor": "BUSY_ENTITY", "message": "The entity is busy.", "writes": True}
LOST_ANSWER = {"reset": True, "after_effect": True, "writes": True}
FULL = {"unavailable": [UNAVAILABLE], "reset": [RESET], "busy": [BUSY], "lost answer": [LOST_ANSWER]}
SHORT = {"unavailable or reset": [UNAVAILABLE, RESET], "busy": [BUSY], "lost answer": [LOST_ANSWER]}
KINDS = FULL if os.environ.get("CSE_MATRIX") == "full" else SHORT


def step_with_failure(life, step, fault, nth):
    """True when there is such a call and it was hit."""
    box = life.box
    box.vcd.reset_calls()
    box.vcd.fail(agent=AGENT, nth=nth, **fault)
    answer = life.send(step)
    assert answer.status != 504, "no answer"
    task = box.wait_task(life.accepted(step, answer))
    hit = box.vcd.ask("/faults")[0]["hits"] > 0
    box.vcd.heal()
    box.wait_quiet()
    assert task.status == "success", (step, task)
    life.check(step)
    return hit


@pytest.mark.parametrize("kind", KINDS)
def test_one_failing_call(sweep, kind):
    faults = KINDS[kind]

    def point(box, nth):
        life = Life(box, f"one{nth}")
        hits = [step_with_failure(life, step, faults[(nth + i) % len(faults)], nth)
                for i, step in enumerate(STEPS)]
        assert not box.broker.parked()
        sweep.count(f"one failing call, {kind}: calls hit", sum(hits))
        return any(hits)
    tried = sweep.run(f"one failing call, {kind}: lives", point)
    assert len(tried) > 15

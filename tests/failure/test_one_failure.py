# SPDX-License-Identifier: MIT
"""One failing call, at every call of a cluster's life: it succeeds all the same, and nothing exists
twice. A request whose call failed may be refused instead, if it says so and leaves nothing.
"""
import pytest
from life import AGENT, Life

# Nothing is remembered between requests, so each makes all its calls; nobody searches beside it.
BOX = {"timing": {"cache": 0, "resync": 3600}}
STEPS = ("create", "unexpose", "delete")
KINDS = {
    "unavailable": {"status": 503},
    "busy": {"status": 400, "minor": "BUSY_ENTITY", "message": "The entity is busy.", "writes": True},
    "reset": {"reset": True},
    "lost answer": {"reset": True, "after_effect": True, "writes": True},
}


def step_with_failure(life, step, fault, nth):
    """True when there is such a call and it was hit."""
    box = life.box
    box.vcd.fail(agent=AGENT, nth=nth, **fault)
    answer = life.send(step)
    assert answer.status != 504, "no answer"
    task = box.wait_task(life.accepted(step, answer)) if answer.status == 202 else None
    hit = box.vcd.ask("/faults")[0]["hits"] > 0
    box.vcd.heal()
    box.wait_quiet()
    if task:
        assert task.status == "success", (step, task)
        life.check(step)
        return hit
    assert hit and answer.problem, answer
    if nth == 1 and fault is KINDS["lost answer"]:
        life.note_orphans()  # nth 1: no request writes anything before its task
        assert len(life.orphans) == 1 + STEPS.index(step), life.orphans
    if step == "create":
        life.check_nothing_left()
    life.do(step)
    return hit


@pytest.mark.parametrize("kind", KINDS)
def test_one_failing_call(sweep, kind):
    def point(box, nth):
        life = Life(box, f"one{nth}")
        hits = [step_with_failure(life, step, KINDS[kind], nth) for step in STEPS]
        assert not box.broker.parked()
        return any(hits)
    tried = sweep.run(f"one call, {kind}", point)
    assert len(tried) > 15

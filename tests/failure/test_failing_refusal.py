# SPDX-License-Identifier: MIT
"""VCD fails in the middle of a request and goes on failing: nothing can be taken back, and nothing recorded.
Then the answer must not claim what nobody knows; once VCD works again the story is the same everywhere.
"""
import pytest
from disturb import Patient, hold, release, settle, wait_held
from life import AGENT, is_there

BOX = {"timing": {"cache": 0, "resync": 1, "delete_wait": 5}, "resync": False}
DOWN = {"agent": AGENT, "status": 503, "times": 0}
ORPHAN_S = 70
# The last write of each request.
WRITES = {"create": 5, "unexpose": 2, "delete": 2}
UNKNOWN = {"create": "it is not known whether cluster '{}' is being created",
           "change": "it is not known whether this will be done"}


@pytest.fixture(autouse=True)
def calm(box):
    before = box.vcd.state()
    yield
    box.vcd.heal()
    box.broker.allow_leader(False)
    box.check_state(before)


def heal(box):
    """VCD works again, and what was left is old enough to be searched for. Each task has ended then."""
    box.vcd.heal()
    box.broker.allow_leader(True)
    box.advance(ORPHAN_S)
    settle(box)


def told(box, life):
    """The only task of the step."""
    [task] = life.step_tasks()
    return task


def test_a_create_that_cannot_be_taken_back(box):
    """From the last write of the admission on, the one that makes the entity name its vApp: it looks accepted."""
    life = Patient(box, "untold")
    box.vcd.fail(writes=True, nth=WRITES["create"], **DOWN)
    life.start("create")
    answer = life.reply()
    assert 500 <= answer.status < 504 and UNKNOWN["create"].format(life.name) in answer.problem, answer
    assert "is being removed" not in answer.problem, answer
    life.find()
    assert life.entity()["entity"]["status"]["phase"] == "CREATE:IN_PROGRESS"
    assert '"verdict"' not in told(box, life)["details"]
    heal(box)
    if life.check_result("create", may_fail=True):
        life.do("delete")


def test_a_create_that_finds_its_own_task_is_taken_back(box):
    """The answer to its task's POST is lost, and then VCD fails: no other delivery is there to go on."""
    life = Patient(box, "ownfound")
    hold(box, method="POST", path="/api/tasksList/*", hold="after")
    life.start("create")
    assert wait_held(box)
    box.vcd.fail(agent=AGENT, method="POST", path="*/composeVApp", status=503, times=2)
    release(box, drop=True)
    answer = life.reply()
    assert answer.status == 503 and "delivery" not in answer.problem, answer
    assert told(box, life)["status"] == "error"
    life.check_nothing_left()


@pytest.mark.parametrize("step", ["unexpose", "delete"])
def test_a_change_that_cannot_be_taken_back(box, step):
    """VCD has written into the entity that the change is wanted, but nobody heard of it; then nothing works."""
    life = Patient(box, "untold" + step)
    life.do("create")
    hold(box, writes=True, nth=WRITES[step], hold="after")
    life.start(step)
    [call] = wait_held(box)
    assert call["method"] == "PUT" and "/entities/" in call["path"], call
    box.vcd.fail(**DOWN)
    release(box, drop=True)
    answer = life.reply()
    assert 500 <= answer.status < 504 and UNKNOWN["change"] in answer.problem, answer
    assert told(box, life)["status"] == "running"
    heal(box)
    done = life.check_result(step, may_fail=True)
    if not done:
        assert life.entity()["entity"]["status"]["phase"].endswith(":FAILED"), life.entity()
    if is_there(life):
        life.do("delete")

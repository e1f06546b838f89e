# SPDX-License-Identifier: MIT
"""A VCD that takes longer for each change of a VM than a pass pauses after it: the next change waits for that
one, and does not count as a failure, after which passes would come more and more seldom.
"""
import pytest
from disturb import TIMING, Patient, settle

# A pass writes for 4 s at most, so that the second value takes several passes.
BOX = {"timing": TIMING, "resync": False}
WORKERS = 8


@pytest.mark.parametrize("task_ms", [250, 900])
def test_many_nodes_are_written_without_a_failure(box, task_ms):
    life = Patient(box, f"slow{task_ms}")
    life.body["spec"]["workers"]["count"] = WORKERS
    box.vcd.set_option(task_ms=task_ms)
    seen = len(box.workers[0].events("pass.retry"))
    life.start("create")
    task = box.wait_task(life.accepted("create", life.reply()), 60)
    assert task.status == "success", task
    box.vcd.set_option(task_ms=2)
    tried = box.workers[0].events("pass.retry")[seen:]
    assert not tried, [(event["step"], event["reason"]) for event in tried]
    life.find()
    life.check_nodes(life.step_tasks()[0], True)
    box.wait_task(life.accepted("delete", life.send("delete")))
    settle(box)
    life.check_nothing_left()

# SPDX-License-Identifier: MIT
"""A failed create that is kept: its entity says so at once, and what its nodes were to take is taken away."""
import time

import pytest
from disturb import TIMING, Patient, settle
from life import AGENT
from tenant import FINAL

BOX = {"timing": TIMING, "resync": False}
NO_POWER = {"agent": AGENT, "method": "POST", "path": "*/power/action/powerOn", "times": 0, "status": 400,
            "minor": "BAD_REQUEST", "message": "no power"}
SECRET = "guestinfo.cse.secret"


@pytest.fixture
def life(box, request):
    """A create that cannot start its nodes."""
    life = Patient(box, request.node.name[5:].replace("_", "-")[:20].strip("-"),
                   spec__settings__rollback_on_failure=False)
    yield life
    box.vcd.heal()
    settle(box)
    life.find()
    life.do("delete")


def vms_with_secrets(life):
    return [vm["name"] for vm in life.state()["vms"] if vm["vapp"] == life.name and SECRET in vm["extra_keys"]]


def phase(life):
    return life.entity()["entity"]["status"]["phase"]


def ended(life):
    [task] = life.step_tasks()
    return life.box.wait_for(lambda: (t := life.box.task(task["id"]))["status"] in FINAL and t, what="the end")


def test_secrets_are_taken_away(box, life):
    box.vcd.fail(**NO_POWER)
    life.start("create")
    life.reply()
    assert ended(life)["status"] == "error"
    assert phase(life) == "CREATE:FAILED"
    assert not vms_with_secrets(life)


def test_secrets_that_stay_do_not_stop_the_end(box, life):
    """VCD refuses to change the nodes; the task ends all the same, and the log tells."""
    box.vcd.fail(**NO_POWER)
    box.vcd.fail(agent=AGENT, method="POST", path="*/action/reconfigureVm", nth=3, times=0, status=403,
                 minor="ACCESS_TO_RESOURCE_IS_FORBIDDEN", message="not now")
    life.start("create")
    life.reply()
    task = ended(life)
    assert task["status"] == "error" and "no power" in task["details"], task
    assert len(vms_with_secrets(life)) == 2
    assert box.workers[0].events("vapp.secrets_left")


def test_the_entity_tells_at_once(box, life):
    """VCD takes no change of the vApp for a while."""
    box.vcd.fail(**NO_POWER)
    box.vcd.fail(agent=AGENT, method="POST", path="*/action/reconfigureVm", nth=3, times=0, status=400,
                 minor="BUSY_ENTITY")
    life.start("create")
    life.reply()
    box.wait_for(lambda: phase(life) == "CREATE:FAILED", what="the phase")
    time.sleep(0.5)
    [task] = life.step_tasks()
    assert box.task(task["id"])["status"] == "running"
    box.vcd.heal()
    assert ended(life)["status"] == "error"
    assert not vms_with_secrets(life)
